"""Records as Arrow tables: made, kept in files, and brought to one schema."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from danlu.data.arrow_rows import records_of as rows_of
from danlu.data.record import Record
from danlu.refusal import Refusal


def arrow_table(records: Sequence[Record], schema: Any = None, where: Callable[[int], str] | None = None) -> Any:
    """The records as a table; a column that a record lacks is null there.

    `where` tells for messages where the record at a position comes from.

    Raises:
        Refusal: a column has values of different types; names it, and the first record that does not fit.
    """
    import pyarrow as pa

    columns = dict.fromkeys(name for record in records for name in record)
    arrays = {}
    for name in columns if schema is None else schema.names:
        wanted = None if schema is None else schema.field(name).type
        values = [record.get(name) for record in records]
        try:
            arrays[name] = pa.array(values, wanted)
        except (pa.ArrowException, UnicodeEncodeError) as error:
            unfit = bisect_left(range(1, len(values)), 1, key=lambda count: not _stores(values[:count], wanted))
            raise _of_two_types(name, error, where and where(unfit)) from error
    return pa.table(arrays)


def _stores(values: list[Any], wanted: Any) -> bool:
    import pyarrow as pa

    try:
        pa.array(values, wanted)
    except (pa.ArrowException, UnicodeEncodeError):
        return False
    return True


def one_schema(schemas: Sequence[Any], names: Sequence[str] = ()) -> Any:
    """The schema that all tables can be brought to: the columns of all, whole numbers and fractions as fractions.

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
                fields[item.name] = merged.field(0)
            except pa.ArrowException as error:
                raise _of_two_types(item.name, error, named.get(schema)) from error
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
            arrays.append(column if same else pa.array(column.to_pylist(), item.type))
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


def records_of(stored: Any) -> list[Record]:
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
