"""Plain text: one record a line, or one a file."""

from collections.abc import Iterator

from pydantic import Field

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.source_file import SourceFile
from danlu.data.reading.text_format import TextFormat
from danlu.data.record import Record


class Text(TextFormat):
    """One text a line; blank lines are skipped."""

    column: str = Field(default="text", description="column of the record that the text goes to")
    whole_file: bool = Field(default=False, description="make one record of the whole file")

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the texts; see `FileFormat.rows`."""
        if self.whole_file:
            text = self.whole_text(source)
            if text.strip():
                yield 1, {self.column: text}
            return
        column = self.column
        for number, line in self.lines(source, bad_rows):
            if not line.isspace():
                yield number, {column: line.rstrip("\r\n")}
