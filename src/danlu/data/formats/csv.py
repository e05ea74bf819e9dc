"""Comma-separated values, quoted by RFC 4180 (2005)."""

from collections.abc import Iterator

from pydantic import Field

from danlu.data.record import Record
from danlu.data.source_file import SourceFile
from danlu.data.table import named_rows, quoted_rows
from danlu.data.text_format import TextFormat


class Csv(TextFormat):
    """A table with a header; fields with commas, quotes or line ends are quoted."""

    delimiter: str = Field(default=",", min_length=1, max_length=1, description="what separates fields")
    header: list[str] | None = Field(default=None, description="names of the columns, for a file without a header")

    def rows(self, source: SourceFile) -> Iterator[tuple[int, Record]]:
        """Yield the rows; see `Format.rows`."""
        return named_rows(quoted_rows(self.lines(source), self.delimiter, source.name), self.header, source.name)
