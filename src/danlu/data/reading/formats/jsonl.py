"""JSON lines: one object a line."""

from collections.abc import Iterator

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.json_format import JsonFormat
from danlu.data.reading.source_file import SourceFile
from danlu.data.record import Record


class JsonLines(JsonFormat):
    """One JSON object a line; blank lines are skipped."""

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the objects; see `FileFormat.rows`."""
        return self.lines_of_json(source, bad_rows)
