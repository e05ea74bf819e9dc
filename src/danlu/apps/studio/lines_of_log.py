"""Blocks of a log read as columns of numbers, and the lines in them that are told one by one."""

import io
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute  # noqa: F401  # what filters tables; imported late, it would hold up the first view
from pyarrow import json as arrow_json

from danlu.apps.studio.thinned import Numbers

LONGEST = 2**18
"""Bytes of a line that is looked at; a line of a training has some 500."""

_NOT_DRAWN = {"step", "epoch", "limit", "limit_in_the_middle", "seconds", "event"}
_TOLD = ("validation", "event")
_MOST_STEP = 2**53


@dataclass
class Block:
    """What some lines say: the step of each, its numbers by name (NaN where it has none), and what is told by itself.

    `bad` counts lines that are none of a log.
    """

    steps: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    columns: dict[str, Numbers] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)
    bad: int = 0


def read_block(data: bytes) -> Block:
    """Whole lines of a log. Arrow reads them faster than `json`; what it does not take is read line by line."""
    if not data.strip():
        return Block(bad=data.count(b"\n"))
    if max(map(len, data.split(b"\n"))) <= LONGEST:
        try:
            return _by_arrow(data)
        except (pa.ArrowException, ValueError, KeyError, TypeError):
            pass
    return _one_by_one(data)


def _by_arrow(data: bytes) -> Block:
    reading = arrow_json.ReadOptions(use_threads=False, block_size=len(data) + 1)
    table = arrow_json.read_json(io.BytesIO(data), read_options=reading)
    column = table.column("step")
    if not pa.types.is_integer(column.type) or column.null_count:
        raise ValueError
    steps = column.to_numpy()
    if int(steps.min()) < 0 or int(steps.max()) > _MOST_STEP:
        raise ValueError
    found = Block(steps)
    noticed = table.column("event").is_valid().to_numpy() if "event" in table.column_names else None
    for name in table.column_names:
        if name in _NOT_DRAWN or name in _TOLD:
            continue
        values = table.column(name)
        if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
            numbers = values.cast(pa.float64(), safe=False).to_numpy()
            found.columns[name] = numbers if noticed is None else np.where(noticed, np.nan, numbers)
    for name in _TOLD:
        if name in table.column_names:
            rows = table.filter(table.column(name).is_valid())
            found.told += [{key: value for key, value in row.items() if value is not None} for row in rows.to_pylist()]
    return found


def _one_by_one(data: bytes) -> Block:
    found, rows = Block(), list[dict[str, Any]]()
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        row = read_line(line)
        if row is None:
            found.bad += 1
        else:
            rows.append(row)
    found.steps = np.array([row["step"] for row in rows], np.int64)
    drawn = [
        {name: value for name, value in row.items() if _is_number(value) and name not in _NOT_DRAWN}
        if "event" not in row
        else {}
        for row in rows
    ]
    for name in dict.fromkeys(name for row in drawn for name in row):
        found.columns[name] = np.array([float(row.get(name, np.nan)) for row in drawn])
    found.told = [row for row in rows if isinstance(row.get("validation"), dict) or isinstance(row.get("event"), str)]
    return found


def read_line(line: bytes) -> dict[str, Any] | None:
    """One line, if it is one of a log."""
    if len(line) > LONGEST:
        return None
    try:
        row = json.loads(line.decode("utf-8", "replace"), parse_int=_integer)
    except (ValueError, RecursionError):
        return None
    step = row.get("step") if isinstance(row, dict) else None
    return row if isinstance(step, int) and not isinstance(step, bool) and 0 <= step <= _MOST_STEP else None


def _integer(text: str) -> int | float:
    return int(text) if len(text) < 19 else float(text)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
