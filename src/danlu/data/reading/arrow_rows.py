"""Records of Arrow batches: the one door through which what lies in Arrow and Parquet files comes in."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from danlu.data.reading.class_names import names_in, with_names
from danlu.data.record import DEPTH, Record
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from pyarrow import Array, DataType, RecordBatch, Schema

BATCH = 4096
"""Rows that are turned into records at a time."""


@contextmanager
def arrow_refused(name: str, what: str) -> Iterator[None]:
    """Turn what the library raises over a damaged file into one sentence; `what` is Arrow or Parquet.

    Raises:
        Refusal: the file is damaged, or says that it holds more than memory does.
    """
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, UnicodeDecodeError, SystemError, MemoryError) as error:
        told = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise Refusal(
            f"{name}: cannot be read as {what} ({told}); write it anew, or name the kind that it is"
        ) from error


def refuse_deep_columns(schema: "Schema", name: str) -> None:
    """Raises `Refusal` where a column holds lists and objects within each other to no end."""
    for column in schema:
        if _deep(column.type, DEPTH):
            raise Refusal(f"{name}: column '{column.name}' is nested more than {DEPTH} deep; write it as text, or flat")


def _deep(kind: "DataType", left: int) -> bool:
    return left == 0 or any(_deep(kind.field(place).type, left - 1) for place in range(kind.num_fields))


def size_of(batch: "RecordBatch") -> int:
    """Bytes of a batch, with those of shared values as often as they stand there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = int(batch.nbytes)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and column.type.value_type in (pa.string(), pa.large_string()):
            found += pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0
    return found


def numbered_records(batches: Iterable["RecordBatch"]) -> Iterator[tuple[int, Record]]:
    """The rows of batches with their numbers, from 1; a long batch is read a part at a time."""
    number = 0
    for batch in batches:
        for start in range(0, len(batch), BATCH):
            part = batch.slice(start, BATCH)
            yield from enumerate(records_of_batch(part), number + 1)
            number += len(part)


def records_of_batch(batch: "RecordBatch") -> list[Record]:
    """The rows of a batch as dicts of plain values, a column at a time.

    Nulls inside nested values are left out, for a column of objects with different keys brings them; a null of a
    column stays. Bytes stay bytes. Numbers of classes become their names where the schema has them.

    Raises:
        ArrowInvalid: the batch is damaged; its offsets would lead out of memory.
    """
    batch.validate(full=True)
    schema = batch.schema
    columns = [_values(column) for column in batch.columns]
    records = [dict(zip(schema.names, row, strict=True)) for row in zip(*columns, strict=True)]
    return with_names(records, names) if (names := names_in(schema)) else records


def _values(column: "Array") -> list[Any]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):  # values are shared, however often they stand there
        known = _values(column.dictionary)
        return [None if place is None else known[place] for place in column.indices.to_pylist()]
    # numpy makes Python objects of a column in compiled code, 5 times as fast as `to_pylist`
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return list(column.to_numpy(zero_copy_only=False))
    if (pa.types.is_integer(kind) or pa.types.is_floating(kind)) and not column.null_count:
        values: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return values
    try:
        wanted = _told(kind)
        values = (column if wanted is kind else column.cast(wanted)).to_pylist()
    except pa.ArrowException:
        raise
    except (ValueError, OverflowError, NotImplementedError) as error:
        raise pa.ArrowInvalid(f"values of type {kind} cannot be read: {error}") from error
    return [_filled(value) for value in values] if pa.types.is_nested(kind) else values


def _told(kind: "DataType") -> "DataType":
    """The type with texts for dates and times, of which Python holds fewer digits and years; itself without any."""
    import pyarrow as pa

    if pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        fields = [kind.field(place) for place in range(kind.num_fields)]
        told = pa.struct([field.with_type(_told(field.type)) for field in fields])
    elif pa.types.is_list(kind):
        told = pa.list_(kind.value_field.with_type(_told(kind.value_type)))
    elif pa.types.is_large_list(kind):
        told = pa.large_list(kind.value_field.with_type(_told(kind.value_type)))
    else:
        return kind
    return kind if told == kind else told


def _filled(value: Any) -> Any:
    if isinstance(value, tuple):  # an entry of a map, of whose keys two may be equal
        return {"key": value[0], "value": _filled(value[1])}
    if isinstance(value, dict):
        return {key: _filled(item) for key, item in value.items() if item is not None}
    return [_filled(item) for item in value] if isinstance(value, list) else value
