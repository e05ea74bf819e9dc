"""Records as Arrow tables: made, kept in files, and brought to one schema."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from danlu.data.arrow_rows import records_of as rows_of
from danlu.data.record import Record
from danlu.refusal import Refusal


def arrow_table(records: Sequence[Record], schema: Any = None) -> Any:
    """The records as a table; a column that a record lacks is null there.

    Raises:
        Refusal: a column has values of different types; names it.
    """
    import pyarrow as pa

    columns = dict.fromkeys(name for record in records for name in record)
    arrays = {}
    for name in columns if schema is None else schema.names:
        wanted = None if schema is None else schema.field(name).type
        try:
            arrays[name] = pa.array([record.get(name) for record in records], wanted)
        except (pa.ArrowException, UnicodeEncodeError) as error:
            raise _of_two_types(name, error) from error
    return pa.table(arrays)


def one_schema(schemas: Sequence[Any]) -> Any:
    """The schema that all tables can be brought to: the columns of all, whole numbers and fractions as fractions.

    Raises:
        Refusal: a column has values of different types; names it.
    """
    import pyarrow as pa

    fields: dict[str, Any] = {}
    for schema in dict.fromkeys(schemas):
        for item in schema:
            try:
                known = fields.get(item.name, item)
                merged = pa.unify_schemas([pa.schema([known]), pa.schema([item])], promote_options="permissive")
                fields[item.name] = merged.field(0)
            except pa.ArrowException as error:
                raise _of_two_types(item.name, error) from error
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


def _of_two_types(name: str, error: Exception) -> Refusal:
    return Refusal(
        f"column '{name}' cannot be stored ({str(error).splitlines()[0]}); "
        "give it values of one type in all files, or leave it out"
    )
