"""JSON: one list of objects."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.json_format import JsonFormat
from danlu.data.reading.source_file import SourceFile
from danlu.data.record import Record


class Json(JsonFormat):
    """One list of objects, at the top or under a key."""

    counted_in: ClassVar[str] = "record"

    under: str = Field(default="", description="key of the list, with dots between nested keys; empty: the top")

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the objects; see `FileFormat.rows`."""
        return self.list_of_json(source, bad_rows, self.under)
