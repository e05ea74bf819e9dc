"""Records of Arrow batches."""

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from danlu.data.record import Record

if TYPE_CHECKING:
    from pyarrow import Array, DataType, RecordBatch

BATCH = 4096
"""Rows that are turned into records at a time."""


def records_of(batch: "RecordBatch", metadata: dict[bytes, bytes] | None = None) -> list[Record]:
    """The rows of a batch as dicts of values, a column at a time.

    Nulls inside nested values are left out, for a column of objects with different keys brings them; a null of a
    column stays. Bytes stay bytes; dates and times are texts. Numbers of classes become the names that the `metadata`
    of the schema hold for them, as the datasets library writes them.

    Raises:
        ArrowException: a value cannot be read, such as a text that is no UTF-8.
    """
    named = _class_names((metadata or batch.schema.metadata or {}).get(b"huggingface", b""))
    names = batch.schema.names
    columns = [_values(column) for column in batch.columns]
    for place, name in enumerate(names):
        if name in named:
            columns[place] = [_by_name(value, named[name]) for value in columns[place]]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: "Array") -> list[Any]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
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


@lru_cache(8)
def _class_names(features: bytes) -> dict[str, list[str]]:
    """By column, the names of classes, also of lists of them; nothing where the features are not told, or damaged."""
    try:
        told = json.loads(features)["info"]["features"] if features else {}
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    names = {column: _names(feature) for column, feature in told.items()} if isinstance(told, dict) else {}
    return {column: found for column, found in names.items() if found}


def _names(feature: Any) -> list[str]:
    """The names of classes in a feature, or in that of the items of a list; nothing where it has none."""
    if isinstance(feature, list) and len(feature) == 1:
        return _names(feature[0])
    if not isinstance(feature, dict):
        return []
    names = feature.get("names")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    return _names(feature.get("feature"))


def _by_name(value: Any, names: list[str]) -> Any:
    """The name of a class, or of each in a list; -1 is none, as of test sets whose labels are kept back."""
    if isinstance(value, list):
        return [_by_name(item, names) for item in value]
    if not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None if value == -1 else value


def _filled(value: Any) -> Any:
    if isinstance(value, tuple):  # an entry of a map, of whose keys two may be equal
        return {"key": value[0], "value": _filled(value[1])}
    if isinstance(value, dict):
        return {key: _filled(item) for key, item in value.items() if item is not None}
    return [_filled(item) for item in value] if isinstance(value, list) else value
