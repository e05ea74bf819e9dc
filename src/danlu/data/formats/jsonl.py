"""JSON lines: one object a line."""

from collections.abc import Iterator

from danlu.data.json_text import parse
from danlu.data.record import Record
from danlu.data.source_file import SourceFile
from danlu.data.text_format import TextFormat
from danlu.refusal import Refusal


class JsonLines(TextFormat):
    """One JSON object a line; blank lines are skipped."""

    def rows(self, source: SourceFile) -> Iterator[tuple[int, Record]]:
        """Yield the objects; see `Format.rows`."""
        for number, line in enumerate(self.lines(source), 1):
            if not line.strip():
                continue
            where = f"{source.name}, line {number}"
            value = parse(line.rstrip("\r\n"), where)
            if not isinstance(value, dict):
                raise Refusal(
                    f'{where}: expected an object such as {{"text": ...}}, not a {type(value).__name__}; '
                    "use kind json for one list of objects"
                )
            yield number, value
