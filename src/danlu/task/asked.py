"""Lines that a person types as the records that a task reads."""

from collections.abc import Iterable, Iterator
from typing import Any

from danlu.data.reading.json_text import parse
from danlu.refusal import Refusal
from danlu.task.task import Task


def records_of(lines: Iterable[str], task: Task | None, where: str) -> Iterator[dict[str, Any]]:
    """A record a line: the line is its text, or json where more than a text is read; None: a text to write on after.

    On standard input all lines are json where the first is an object with a column of the task.
    """
    reads = task.reads if task else ("text",)
    own = {*reads, *(task.columns if task else ()), *(task.other_columns if task else ())}
    plain = reads == ("text",)
    for number, line in enumerate(lines, 1):
        if plain and number == 1 and where != "--text" and {"text", "messages"} & own & (_as_record(line) or {}).keys():
            plain = False
        record = {"text": line} if plain else _as_record(line)
        lacking = [name for name in reads if record is None or name not in record]
        if record is None or (lacking and not (own - {*reads}) & record.keys()):  # else the task tells what it lacks
            shape = ", ".join(f'"{name}": ...' for name in reads)
            raise Refusal(
                f"{where}, text {number:,}: this bundle reads {' and '.join(reads)}, but there is no "
                f"{' and no '.join(lacking)}; give each record as json: {{{shape}}}"
            )
        yield record


def _as_record(line: str) -> dict[str, Any] | None:
    """What a line of json says; None where it is no object."""
    try:
        value = parse(line, "")
    except Refusal:
        return None
    return value if isinstance(value, dict) else None
