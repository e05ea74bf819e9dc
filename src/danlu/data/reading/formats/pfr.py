"""The People's Daily corpus of January 1998: words and tags as `word/tag  word/tag`, entities in brackets.

Yu Shiwen et al., "Specification for corpus processing at Peking University", Journal of Chinese Language and
Computing 13 (2003). A family name and a given name are two words tagged `nr`; `[中央/n 电视台/n]nt` encloses an
entity of several words; a paragraph may begin with its number, `19980101-01-001-001/m`.
"""

import re
from collections.abc import Collection, Iterator
from typing import Literal

from pydantic import Field

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.source_file import SourceFile
from danlu.data.reading.text_format import TextFormat
from danlu.data.record import Record
from danlu.refusal import Refusal

_TAGGED = re.compile(r"(?P<word>.+?)/(?P<tag>[A-Za-z]+)(?P<closed>(?:\][A-Za-z]+)*)")
_CLOSED = re.compile(r"(?:\][A-Za-z]+)+")
_PARAGRAPH_NUMBER = re.compile(r"\d{8}-\d{2}-\d{3}-\d{3}(?:/m)?")
_ENDS = frozenset("。！？；")
_CLOSING = frozenset("”’》〉）」』】！？。")
_PERSON = "nr"

_FAMILY_NAME = re.compile(
    ".|欧阳|司马|诸葛|司徒|令狐|上官|夏侯|皇甫|东方|尉迟|公孙|慕容|长孙|宇文|端木|南宫|轩辕|百里|呼延|东郭|司空|闻人"
)
"""One character, for the corpus splits every Chinese name, or one of the names of two."""

UNTAGGED = "x"  # the tag of what is no word of Chinese

Word = tuple[str, str]
"""A word and its tag; the tag is empty where the file gives none."""


class Pfr(TextFormat):
    """The People's Daily corpus: one record a sentence, with its names, its words, or its words with their tags."""

    marks: Literal["entities", "words", "tags", "parts_of_speech"] = Field(
        default="entities",
        description="what is told of a sentence: its entities, its words as the file splits them, words and the tags "
        "of these, or each word as an entity whose label is its tag",
    )
    labels: dict[str, str] = Field(
        default={"nr": "PER", "ns": "LOC", "nt": "ORG"}, description="label of an entity, by its tag in the file"
    )

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield a sentence as its text and what `marks` says, with the line; see `FileFormat.rows`."""
        words, tagged = 0, 0
        enclosing = self.labels if self.marks == "entities" else ()
        for number, line in self.lines(source, bad_rows):
            paragraph = _words(line, enclosing)
            words += len(paragraph)
            tagged += sum(1 for _, tag in paragraph if tag)
            if tagged < words / 2:
                raise Refusal(
                    f"{source.name}, line {number}: {words - tagged} of the {words} words so far have no tag; "
                    "expected 'word/tag  word/tag', or use kind text for plain text"
                )
            joined = _names_joined(paragraph) if self.marks == "entities" else iter(paragraph)
            for sentence in _sentences(joined):
                yield number, self._record(sentence)

    def _record(self, sentence: list[Word]) -> Record:
        if self.marks == "words":
            words = [word for word, _ in sentence]
            return {"text": "".join(words), "words": words}
        if self.marks == "tags":
            words, tags = map(list, zip(*((word, tag or UNTAGGED) for word, tag in sentence), strict=True))
            return {"text": "".join(words), "words": words, "tags": tags}
        if self.marks == "parts_of_speech":
            return _marked([(word, tag or UNTAGGED) for word, tag in sentence])
        return _marked([(word, self.labels.get(tag, "")) for word, tag in sentence])


def _marked(sentence: list[Word]) -> Record:
    """The text of a sentence, and each word that has a label as an entity."""
    text, entities = "", []
    for word, label in sentence:
        if label:
            entities.append({"start": len(text), "end": len(text) + len(word), "label": label})
        text += word
    return {"text": text, "entities": entities}


def _words(line: str, entity_tags: Collection[str]) -> list[Word]:
    """The words of a paragraph; what brackets enclose is one word if its tag is that of an entity."""
    words: list[Word] = []
    opened: list[int] = []
    for position, token in enumerate(line.split()):
        if position == 0 and _PARAGRAPH_NUMBER.fullmatch(token):
            continue
        if "[" not in token and "]" not in token:  # nearly all of them, in a third of the time
            word, _, tag = token.rpartition("/")
            words.append((word, tag) if word and tag.isascii() and tag.isalpha() else (token, ""))
            continue
        bare = token.lstrip("[") if not token.startswith("[/") else token
        opened += [len(words)] * (len(token) - len(bare))
        if match := _TAGGED.fullmatch(bare):
            words.append((match["word"], match["tag"]))
            closed = match["closed"]
        elif _CLOSED.fullmatch(bare):
            closed = bare
        else:
            words += [(bare, "")] if bare else []
            closed = ""
        for tag in closed.split("]")[1:]:
            start = opened.pop() if opened else len(words)
            if tag in entity_tags and start < len(words):
                words[start:] = [("".join(word for word, _ in words[start:]), tag)]
    return words


def _names_joined(words: list[Word]) -> Iterator[Word]:
    """Join each family name to the given name after it; a run of names may list several persons."""
    position = 0
    while position < len(words):
        end = position
        while end < len(words) and words[end][1] == _PERSON:
            end += 1
        run = [word for word, _ in words[position:end]]
        if not run:
            yield words[position]
            position += 1
            continue
        position = end
        if [len(name) for name in run] == [1, 1, 2]:  # a wife's name behind her husband's, 陈 方 安生
            run = ["".join(run)]
        while run:
            size = 2 if len(run) > 1 and _FAMILY_NAME.fullmatch(run[0]) and _is_given_name(run[1]) else 1
            yield "".join(run[:size]), _PERSON
            run = run[size:]


def _is_given_name(name: str) -> bool:
    return len(name) <= 2 or "（" in name or "〈" in name  # rare characters are described in brackets: 惠（君音）


def _sentences(words: Iterator[Word]) -> Iterator[list[Word]]:
    """Split after 。！？； and the closing quotes and brackets that follow."""
    sentence: list[Word] = []
    ended = False
    for word in words:
        if ended and word[0] not in _CLOSING:
            yield sentence
            sentence, ended = [], False
        sentence.append(word)
        ended = ended or word[0] in _ENDS
    if sentence:
        yield sentence
