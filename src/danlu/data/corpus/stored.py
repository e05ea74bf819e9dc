"""Records as Arrow tables: made, kept in files, and brought to one schema."""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from danlu.data.reading.arrow_rows import records_of_batch as rows_of
from danlu.data.record import STRUCTURED, Record
from danlu.language import translator
from danlu.refusal import Refusal


def arrow_table(records: Sequence[Record], schema: Any = None, where: Callable[[int], str] | None = None) -> Any:
    """The records as a table; a column that a record lacks is null there.

    A column of values of several types that nothing is learnt from becomes text (`in_text`), and so does one of objects
    with a key for nearly every record. What tools are told of and called with is written as JSON, with its keys in
    their order and none of another tool. `where` tells for messages where the record at a position comes from.

    Raises:
        Refusal: a column that is structured has values of different types, or a text cannot be written; names it, and
            the first record that does not fit.
    """
    import pyarrow as pa

    columns = dict.fromkeys(name for record in records for name in record)
    arrays, fields = {}, []
    for name in columns if schema is None else schema.names:
        wanted = None if schema is None else schema.field(name).type
        values = [record.get(name) for record in records]
        if name in _TOLD:
            values = [_TOLD[name](value) for value in values]
        try:
            try:
                arrays[name] = in_text(values) if name not in STRUCTURED and _wide(values) else pa.array(values, wanted)
            except pa.ArrowException:
                if name in STRUCTURED or wanted not in (None, pa.string()):
                    raise
                arrays[name] = in_text(values)
            if _is_hollow(arrays[name].type) and name not in STRUCTURED:
                arrays[name] = in_text(values)
            fields.append(pa.field(name, arrays[name].type, metadata=_MARK if _mixed(arrays[name], values) else None))
        except (pa.ArrowException, UnicodeEncodeError) as error:
            unfit = bisect_left(range(1, len(values)), 1, key=lambda count: not _stores(values[:count], wanted))
            raise _of_two_types(name, error, where and where(unfit)) from error
    return pa.table(list(arrays.values()), schema=pa.schema(fields))


def _called(value: Any) -> Any:
    """Messages whose calls have their arguments as JSON, as OpenAI sends them."""
    if not isinstance(value, list) or not any(isinstance(each, dict) and each.get("tool_calls") for each in value):
        return value
    return [_with_text_calls(each) if isinstance(each, dict) and each.get("tool_calls") else each for each in value]


def _with_text_calls(message: dict[str, Any]) -> dict[str, Any]:
    calls = message["tool_calls"]
    told = []
    for call in calls if isinstance(calls, list) else []:
        called = call.get("function") if isinstance(call, dict) else None
        if not isinstance(called, dict) or isinstance(called.get("arguments"), str | None):
            told.append(call)
        else:
            arguments = json.dumps(called["arguments"], ensure_ascii=False)
            told.append({**call, "function": {**called, "arguments": arguments}})
    return message | {"tool_calls": told} if told else message


_TOLD: dict[str, Callable[[Any], Any]] = {
    "tools": lambda value: value if value is None else _text(value),
    "messages": _called,
}

KEYS = 256
"""Keys of the objects of a column; of 2,000 rows with 5 of their own each Arrow makes 163 MB in half a minute."""


def _wide(values: Iterable[Any]) -> bool:
    """Whether objects of a column, or such within them, have more keys than a table has columns."""
    known = set[tuple[str, ...]]()
    for value in values:
        waiting: list[tuple[tuple[str, ...], Any]] = [((), value)] if isinstance(value, dict | list) else []
        while waiting:
            place, item = waiting.pop()
            if isinstance(item, list):
                first = next((each for each in item if each is not None), None)  # of vectors no number is looked at
                waiting += [(place, each) for each in item if each] if isinstance(first, dict | list) else []
                continue
            for key, each in item.items() if isinstance(item, dict) else ():
                known.add((*place, key))
                if isinstance(each, dict | list):
                    waiting.append(((*place, key), each))
        if len(known) > KEYS:
            return True
    return False


_MARK = {b"danlu": b"values of several types as text"}


def in_text(values: Iterable[Any]) -> Any:
    """Values of any types as an array of texts: what is none as JSON."""
    import pyarrow as pa

    return pa.array([_text(value) for value in values], pa.string())


def mixed_in_words(schemas: Iterable[Any], language: str) -> list[str]:
    """A line on the columns whose values were of several types, and are texts now; none without such."""
    mixed = sorted({item.name for schema in schemas for item in schema if b"danlu" in (item.metadata or {})})
    told = translator(language)("columns with values of several types, kept as text: {columns}")
    return [told.format(columns=", ".join(mixed))] if mixed else []


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _mixed(array: Any, values: list[Any]) -> bool:
    """Whether an array of texts was made of other values."""
    from pyarrow import types

    return bool(types.is_string(array.type) and any(not isinstance(value, str | None) for value in values))


def _keys(kind: Any) -> int:
    """Fields within a type, and within these."""
    inside = [kind.field(place).type for place in range(kind.num_fields)]
    return len(inside) + sum(map(_keys, inside))


def _is_hollow(kind: Any) -> bool:
    """Whether there are objects without any key in a type, which Parquet has no place for."""
    from pyarrow import types

    if types.is_struct(kind) and not kind.num_fields:
        return True
    return any(_is_hollow(kind.field(place).type) for place in range(kind.num_fields))


def _stores(values: list[Any], wanted: Any) -> bool:
    import pyarrow as pa

    try:
        pa.array(values, wanted)
    except (pa.ArrowException, UnicodeEncodeError):
        return False
    return True


def one_schema(schemas: Sequence[Any], names: Sequence[str] = ()) -> Any:
    """The schema that all tables can be brought to: the columns of all, whole numbers and fractions as fractions.

    A column that has other types in several tables is text there, unless it is structured.

    `names` says for messages where each table comes from.

    Raises:
        Refusal: a column has values of different types; names it.
    """
    import pyarrow as pa

    fields: dict[str, Any] = {}
    named = dict(zip(reversed(schemas), reversed(names), strict=True)) if names else {}
    for schema in dict.fromkeys(schemas):
        for item in schema:
            try:
                known = fields.get(item.name, item)
                merged = pa.unify_schemas([pa.schema([known]), pa.schema([item])], promote_options="permissive")
                narrow = item.name in STRUCTURED or _keys(merged.field(0).type) <= KEYS
                fields[item.name] = merged.field(0) if narrow else pa.field(item.name, pa.string(), metadata=_MARK)
            except pa.ArrowException as error:
                if item.name in STRUCTURED:
                    raise _of_two_types(item.name, error, named.get(schema)) from error
                fields[item.name] = pa.field(item.name, pa.string(), metadata=_MARK)
    return pa.schema(list(fields.values()))


def conformed(table: Any, schema: Any) -> Any:
    """A table brought to a schema that holds its columns.

    Raises:
        Refusal: a value of the table has no place there.
    """
    import pyarrow as pa

    arrays = []
    for item in schema:
        if item.name not in table.column_names:
            arrays.append(pa.nulls(table.num_rows, item.type))
            continue
        column = table.column(item.name)
        try:
            same = column.type == item.type
            as_text = not same and item.type == pa.string()
            values = [] if same else column.to_pylist()
            arrays.append(column if same else in_text(values) if as_text else pa.array(values, item.type))
        except pa.ArrowException as error:
            raise _of_two_types(item.name, error) from error
    return pa.table(arrays, schema=schema)


def write_arrow(path: Path, table: Any) -> None:
    """Write a table as an Arrow file, not compressed, so that rows are found without reading the others."""
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def read_arrow(path: Path) -> Any:
    """The table of an Arrow file, mapped into memory: what is not looked at is not read."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def stored_records(stored: Any) -> list[Record]:
    """The rows of a table or batch as records, without the nulls that stand for what a record lacks."""
    import pyarrow as pa

    batches = [stored] if isinstance(stored, pa.RecordBatch) else stored.to_batches()
    rows = [row for batch in batches for row in rows_of(batch)]
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def _of_two_types(name: str, error: Exception, where: str | None = None) -> Refusal:
    return Refusal(
        f"{where + ': ' if where else ''}column '{name}' cannot be stored ({str(error).splitlines()[0]}); "
        "give it values of one type in all files, or leave it out"
    )
