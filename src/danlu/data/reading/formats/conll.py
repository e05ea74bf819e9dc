"""CoNLL columns: a token a line with its tag, a blank line after each sentence.

Tjong Kim Sang and De Meulder, "Introduction to the CoNLL-2003 Shared Task" (2003). Tags of entities may be BIO
(Ramshaw and Marcus, 1995), IOB1 or BIOES (also called BILOU, or BMES with types) and are given as BIO.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

from pydantic import Field

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.source_file import SourceFile
from danlu.data.reading.text_format import TextFormat
from danlu.data.record import Record

_BEGINS = frozenset("BSU")
_GOES_ON = frozenset("IMEL")
_ENDS = frozenset("SUEL")


class Conll(TextFormat):
    """One record a sentence, `{"tokens", "tags"}`; lines that begin with -DOCSTART- are no tokens."""

    token: int = Field(default=0, description="position of the token's column, from 0; negative counts from the end")
    tag: int = Field(default=-1, description="position of the tag's column")
    entities: bool = Field(default=True, description="tags are BIO, IOB1 or BIOES; false: any tag, given as it is")
    separator: Literal["auto", "tab", "space"] = Field(
        default="auto", description="what separates columns; auto: tabs in lines that have one, else white space"
    )
    comment: str = Field(default="", description="lines that begin with this are left out; empty: there are none")

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the sentences, each with the number of its first line; see `FileFormat.rows`."""
        sentence: list[tuple[int, str]] = []
        for number, line in self.lines(source, bad_rows):
            if self.comment and line.startswith(self.comment):
                continue
            if not line.isspace() and not line.startswith("-DOCSTART-"):
                sentence.append((number, line))
                continue
            if sentence and (record := self._record(sentence, source.name, bad_rows)):
                yield sentence[0][0], record
            sentence = []
        if sentence and (record := self._record(sentence, source.name, bad_rows)):
            yield sentence[0][0], record

    def _record(self, sentence: list[tuple[int, str]], name: str, bad_rows: BadRows) -> Record | None:
        tokens, tags = [], []
        rows = [self._fields(line) for _, line in sentence]
        numbered = any(fields[0].isdecimal() for fields in rows)
        for (number, _), fields in zip(sentence, rows, strict=True):
            if numbered and self._repeats(fields):
                bad_rows.mend("lines of CoNLL-U that stand for several words, or for none, left out")
                continue
            try:
                token, tag = fields[self.token].strip(), fields[self.tag].strip()
            except IndexError:
                token = tag = ""
            if len(fields) < 2 or not tag or (self.entities and _parts(tag) is None):
                what = f"tag '{tag}' is neither O nor BIO or BIOES, such as B-person" if tag else "there is no tag"
                if len(fields) < 2:
                    what = "one column where a token and its tag are expected"
                reason = f"{what}; mend the line, or name the columns in 'token' and 'tag'"
                bad_rows.reject(name, f"line {number}", reason, "".join(line for _, line in sentence))
                return None
            if token:
                tokens.append(token)
                tags.append(tag)
            else:
                bad_rows.mend("tokens without a character left out")
        return {"tokens": tokens, "tags": to_bio(tags) if self.entities else tags} if tokens else None

    def _fields(self, line: str) -> list[str]:
        tabs = self.separator == "tab" or (self.separator == "auto" and "\t" in line)
        return line.split("\t") if tabs else _BLANKS.split(line.strip(" \t\r\n"))

    def _repeats(self, fields: list[str]) -> bool:
        """Whether a line among numbered words is none, as in CoNLL-U: a range of several, or an empty node."""
        return self.token not in (0, -len(fields)) and _NO_WORD.fullmatch(fields[0]) is not None


_NO_WORD = re.compile(r"\d+[-.]\d+")
_BLANKS = re.compile("[ \t]+")  # a no-break space is part of its token, as in 10\u00a0000


@lru_cache(4096)
def _parts(tag: str) -> tuple[str, str] | None:
    """Prefix and label of a tag, both empty for O; None for what is no tag of an entity."""
    prefix, _, label = tag.partition("-")
    if tag == "O":
        return "", ""
    return (prefix, label) if label and prefix in _BEGINS | _GOES_ON else None


def to_bio(tags: Sequence[str]) -> list[str]:
    """The same entities in BIO: each begins with B-, also where the tags begin one with I- as IOB1 does."""
    found = []
    open_label = ""
    for tag in tags:
        prefix, label = _parts(tag) or ("", "")
        if not label:
            found.append("O")
            open_label = ""
            continue
        goes_on = prefix in _GOES_ON and label == open_label
        found.append(f"{'I' if goes_on else 'B'}-{label}")
        open_label = "" if prefix in _ENDS else label
    return found
