"""Tab-separated values: what lies between tabs is the text, stray quotes included."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from danlu.data.record import Record
from danlu.data.source_file import SourceFile
from danlu.data.table import named_rows, plain_rows, quoted_rows
from danlu.data.text_format import TextFormat


class Tsv(TextFormat):
    """A table with a header and a tab between fields."""

    quoting: bool = Field(default=False, description="whether quotes enclose fields, as in csv")
    header: list[str] | None = Field(default=None, description="names of the columns, for a file without a header")
    surplus: Literal["stop", "join"] = Field(
        default="stop", description="a row with more tabs than columns: stop, or join the rest to the last column"
    )

    def rows(self, source: SourceFile) -> Iterator[tuple[int, Record]]:
        """Yield the rows; see `Format.rows`."""
        lines = self.lines(source)
        rows = quoted_rows(lines, "\t", source.name) if self.quoting else plain_rows(lines, "\t")
        return named_rows(rows, self.header, source.name, join_with="\t" if self.surplus == "join" else None)
