"""Comma-separated values, quoted by RFC 4180 (2005)."""

from collections.abc import Iterator

from pydantic import Field

from danlu.data.bad_rows import BadRows
from danlu.data.record import Record
from danlu.data.source_file import SourceFile
from danlu.data.table import named_rows, quoted_rows
from danlu.data.table_format import TableFormat


class Csv(TableFormat):
    """A table with a header; fields with commas, quotes or line ends are quoted."""

    delimiter: str = Field(default=",", min_length=1, max_length=1, description="what separates fields")

    def table_rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the rows; see `TableFormat.table_rows`."""
        rows = quoted_rows(self.lines(source, bad_rows), self.delimiter, source.name, bad_rows)
        return named_rows(rows, self.header, source.name, bad_rows)
