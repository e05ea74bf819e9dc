"""The records of a file, kept so that any page of them is there at once: read once, looked at often.

Each record is a line of JSON in an Arrow file that is mapped into memory, so a million of them take no memory of ours,
and a page is a slice.
"""

import json
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from danlu.data.record import Record

ROWS = 2_000
BYTES = 2**22
"""Rows, and bytes, of a part of the file: what a search looks at between two looks at the clock."""
SHOWN = 1_000
"""Characters of a cell that a page of records has; a record that is looked at by itself has `WHOLE`."""
WHOLE = 100_000
CELLS = 200
"""Columns of a record, and entries of a list, that are shown."""
MOST = 200
"""Records of a page."""

_DATA, _FACTS = "records.arrow", "records.json"


def keep(records: Iterable[Record], folder: Path, tell: Callable[[int], None]) -> dict[str, Any]:
    """Write records into a folder for `Kept`; `tell` hears now and then how many there are. Gives what is counted."""
    import pyarrow as pa

    columns: Counter[str] = Counter()
    parts: list[int] = []
    schema = pa.schema([("record", pa.large_string())])
    with pa.OSFile(str(folder / _DATA), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for lines in _parts(records, columns):
            writer.write_batch(pa.record_batch([pa.array(lines, pa.large_string())], schema=schema))
            parts.append(len(lines))
            tell(sum(parts))
    facts = {"rows": sum(parts), "parts": parts, "columns": dict(columns)}
    (folder / _FACTS).write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")
    return facts


def _parts(records: Iterable[Record], columns: Counter[str]) -> Iterator[list[str]]:
    lines: list[str] = []
    size = 0
    for record in records:
        columns.update(record.keys())
        line = json.dumps(record, ensure_ascii=False, default=str)
        lines.append(line)
        size += len(line)
        if len(lines) == ROWS or size > BYTES:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


@dataclass(frozen=True)
class Kept:
    """What `keep` has written. Records are counted from 1."""

    folder: Path

    @cached_property
    def facts(self) -> dict[str, Any]:
        """`rows`; `columns`, with the rows that have each."""
        found: dict[str, Any] = json.loads((self.folder / _FACTS).read_bytes())
        return found

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.facts["rows"])

    def page(self, first: int, count: int) -> list[dict[str, Any]]:
        """At most `count` records from the number `first` on, each cut to what a table shows."""
        numbers = range(max(1, first), min(self.rows, first + min(count, MOST) - 1) + 1)
        return [{"number": number, **_cut(self._record(number), SHOWN)} for number in numbers]

    def record(self, number: int) -> dict[str, Any] | None:
        """One of them, nearly whole; None where there is none of this number."""
        return {"number": number, **_cut(self._record(number), WHOLE)} if 1 <= number <= self.rows else None

    def search(
        self, text: str, first: int, count: int, *, column: str | None = None, seconds: float = 0.2
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Records from `first` on that hold a text, capitals or not, in a column or in any; and where to go on.

        It ends after `count` of them, or when its time is up; the second value is None at the end of the records.
        """
        import pyarrow.compute as pc

        wanted, found, begun = text.casefold(), list[dict[str, Any]](), time.monotonic()
        written = json.dumps(text, ensure_ascii=False)[1:-1]  # as it stands in JSON
        first = max(1, first)
        for part, begin in enumerate(self._begins):
            end = begin + self.facts["parts"][part]
            if end <= first:
                continue
            lines = self._file.get_batch(part).column(0)
            hits = pc.indices_nonzero(pc.match_substring(lines, written, ignore_case=True)).to_pylist()
            for place in hits:
                if begin + place < first:
                    continue
                record = _read(lines[place].as_py())
                if _holds(record if column is None else record.get(column), wanted):
                    found.append({"number": begin + place, **_cut(record, SHOWN)})
                if len(found) == min(count, MOST) or time.monotonic() - begun > 2 * seconds:
                    return found, begin + place + 1
            if time.monotonic() - begun > seconds and end <= self.rows:
                return found, end
        return found, None

    @cached_property
    def _begins(self) -> list[int]:
        """The number of the first record of each part."""
        return [1 + end - part for part, end in zip(self.facts["parts"], accumulate(self.facts["parts"]), strict=True)]

    @cached_property
    def _file(self) -> Any:
        import pyarrow as pa

        return pa.ipc.open_file(pa.memory_map(str(self.folder / _DATA)))

    def _record(self, number: int) -> Record:
        part = bisect_right(self._begins, number) - 1
        return _read(self._file.get_batch(part).column(0)[number - self._begins[part]].as_py())


def _read(line: str) -> Record:
    found: Record = json.loads(line, parse_constant=str)  # what is not finite is no number in a browser
    return found


def _holds(value: Any, wanted: str) -> bool:
    """Whether a text stands in a value, or in one within it; names of columns do not count."""
    if isinstance(value, str):
        return wanted in value.casefold()
    if isinstance(value, dict):
        return any(_holds(inner, wanted) for inner in value.values())
    if isinstance(value, list):
        return any(_holds(inner, wanted) for inner in value)
    return value is not None and wanted in json.dumps(value)


def _cut(record: Record, most: int) -> dict[str, Any]:
    """What is shown of a record: its cells, and of those that are cut how many characters they have."""
    cells, long = dict[str, Any](), dict[str, int]()
    for name, value in list(record.items())[:CELLS]:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if len(text) > most:
            cells[name[:SHOWN]], long[name[:SHOWN]] = text[:most], len(text)
        else:
            cells[name[:SHOWN]] = value
    left_out = max(0, len(record) - CELLS)
    return {"cells": cells} | ({"long": long} if long else {}) | ({"left_out": left_out} if left_out else {})
