"""Relations between two marked words: `label<TAB>the <e1>child</e1> in the <e2>cradle</e2>`.

Hendrickx et al., "SemEval-2010 Task 8" (2010). The organisers' own layout is read as well: a number and the quoted
sentence, the label on the next line, then a comment.
"""

import re
from collections.abc import Iterator

from pydantic import Field

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.marks import read_marks
from danlu.data.reading.source_file import SourceFile
from danlu.data.reading.text_format import TextFormat
from danlu.data.record import Record

_NUMBERED = re.compile(r'\d+\t"(?P<sentence>.*)"\s*')


class Marked(TextFormat):
    """One record a sentence, `{"text", "head": {"start", "end"}, "tail": {...}, "label"}`, the marks taken out."""

    label: int = Field(default=0, ge=0, description="position of the label's column between tabs, from 0")
    sentence: int = Field(default=1, ge=0, description="position of the sentence's column")
    head: str = Field(default="e1", min_length=1, description="name of the mark around the head")
    tail: str = Field(default="e2", min_length=1, description="name of the mark around the tail")

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the sentences; see `FileFormat.rows`."""
        for number, label, sentence, line in self._pairs(source, bad_rows):
            marked = read_marks(sentence, self.head, self.tail) if label else None
            if marked is None:
                reason = (
                    f"expected a label and a sentence with <{self.head}>...</{self.head}> and "
                    f"<{self.tail}>...</{self.tail}> between tabs; mend the line, or name the columns in 'label' and "
                    "'sentence'"
                )
                bad_rows.reject(source.name, f"line {number}", reason, line)
            else:
                yield number, {**marked, "label": label}

    def _pairs(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, str, str, str]]:
        """Line number, label, sentence and the line as it is; the label is empty where there is none."""
        lines = self.lines(source, bad_rows)
        for number, line in lines:
            if line.isspace() or line.startswith("Comment:"):
                continue
            if numbered := _NUMBERED.fullmatch(line):
                yield number, next(lines, (0, ""))[1].strip(), numbered["sentence"], line
                continue
            fields = line.rstrip("\r\n").split("\t")
            if max(self.label, self.sentence) < len(fields):
                yield number, fields[self.label].strip(), fields[self.sentence], line
            else:
                yield number, "", "", line
