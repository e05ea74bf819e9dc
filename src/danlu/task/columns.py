"""What a record must hold, checked where a task reads it."""

from math import isfinite

from danlu.data.labels import label_of
from danlu.data.record import Record
from danlu.refusal import Refusal


def text_in(record: Record, number: int, column: str = "text") -> str:
    """The text in a column; `number` counts records from 0.

    Raises `Refusal` naming the record and the column where it is missing or no text.
    """
    value = record.get(column)
    if isinstance(value, str):
        return value
    if column in record:
        raise Refusal(f"record {number + 1:,}: column '{column}' must be text, and it is {_named(value)}")
    raise Refusal(missing(record, number, column, "text"))


def label_in(record: Record, number: int, column: str = "label") -> str:
    """The label in a column, as `label_of` has it; `number` counts records from 0.

    Raises `Refusal` naming the record and the column where it is missing, empty or no label.
    """
    value = record.get(column)
    label = label_of(value)
    if label is not None:
        return label
    if column in record:
        what = "empty" if isinstance(value, str) else _named(value)
        raise Refusal(f"record {number + 1:,}: column '{column}' must be a label (text), and it is {what}")
    raise Refusal(missing(record, number, column, "a label (text)"))


def number_in(record: Record, number: int, column: str) -> float:
    """The number in a column, also where it is written as text; `number` counts records from 0.

    Raises `Refusal` naming the record and the column where it is missing or no finite number.
    """
    if column not in record:
        raise Refusal(missing(record, number, column, "a number"))
    given = record[column]
    try:
        found = float("nan") if isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError):
        found = float("nan")
    if not isfinite(found):
        raise Refusal(f"record {number + 1:,}: column '{column}' must be a number, and it is {given!r:.40}")
    return found


def missing(record: Record, number: int, column: str, expected: str) -> str:
    """The sentence for a column that is not there."""
    there = ", ".join(f"'{name}'" for name in record) or "no column at all"
    return (
        f"record {number + 1:,}: there is no column '{column}' ({expected}), only {there}; "
        f"name the right one under 'columns' of the data, or with --column and --label of a command"
    )


def _named(value: object) -> str:
    return "empty" if value is None else f"of type {type(value).__name__}"
