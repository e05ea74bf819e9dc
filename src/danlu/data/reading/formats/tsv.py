"""Tab-separated values: what lies between tabs is the text, stray quotes included."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.source_file import SourceFile
from danlu.data.reading.table import named_rows, plain_rows, quoted_rows
from danlu.data.reading.table_format import TableFormat
from danlu.data.record import Record


class Tsv(TableFormat):
    """A table with a header and a tab between fields."""

    quoting: bool = Field(default=False, description="whether quotes enclose fields, as in csv")
    surplus: Literal["stop", "join"] = Field(
        default="stop", description="a row with more tabs than columns: a bad row, or join the rest to the last column"
    )

    def table_rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the rows; see `TableFormat.table_rows`."""
        lines = self.lines(source, bad_rows)
        rows = quoted_rows(lines, "\t", source.name, bad_rows) if self.quoting else plain_rows(lines, "\t")
        join_with = "\t" if self.surplus == "join" else None
        return named_rows(rows, self.header, source.name, bad_rows, join_with=join_with)
