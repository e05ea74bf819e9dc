"""Comma-separated values, quoted by RFC 4180 (2005)."""

from collections.abc import Iterator

from pydantic import Field

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.source_file import SourceFile
from danlu.data.reading.table import named_rows, quoted_rows, told_delimiter
from danlu.data.reading.table_format import TableFormat
from danlu.data.record import Record


class Csv(TableFormat):
    """A table with a header; fields with commas, quotes or line ends are quoted."""

    delimiter: str = Field(
        default="auto",
        pattern=r"^(auto|.)$",
        description="what separates fields, a character; auto: a comma, semicolon, tab or bar, as the first rows show",
    )

    def table_rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the rows; see `TableFormat.table_rows`."""
        stated, lines = told_delimiter(self.lines(source, bad_rows), len(self.header) if self.header else None)
        delimiter = stated if self.delimiter == "auto" else self.delimiter
        return named_rows(quoted_rows(lines, delimiter, source.name, bad_rows), self.header, source.name, bad_rows)
