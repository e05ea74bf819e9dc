"""Plain text: one record a line, or one a file."""

from collections.abc import Iterator

from pydantic import Field

from danlu.data.record import Record
from danlu.data.source_file import SourceFile
from danlu.data.text_format import TextFormat


class Text(TextFormat):
    """One text a line; blank lines are skipped."""

    column: str = Field(default="text", description="column of the record that the text goes to")
    whole_file: bool = Field(default=False, description="make one record of the whole file")

    def rows(self, source: SourceFile) -> Iterator[tuple[int, Record]]:
        """Yield the texts; see `Format.rows`."""
        if self.whole_file:
            text = "".join(self.lines(source))
            if text.strip():
                yield 1, {self.column: text}
            return
        for number, line in enumerate(self.lines(source), 1):
            if line.strip():
                yield number, {self.column: line.rstrip("\r\n")}
