"""JSON lines: one object a line."""

from collections.abc import Iterator

from danlu.data.bad_rows import BadRows
from danlu.data.json_format import JsonFormat
from danlu.data.record import Record
from danlu.data.source_file import SourceFile


class JsonLines(JsonFormat):
    """One JSON object a line; blank lines are skipped."""

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the objects; see `FileFormat.rows`."""
        return self.lines_of_json(source, bad_rows)
