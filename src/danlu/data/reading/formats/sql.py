"""Tables and queries of databases: a file of SQLite, or a PostgreSQL server."""

import base64
import datetime as dt
import decimal
import re
import sqlite3
import uuid
from collections.abc import Iterator
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.data.reading.json_text import parse
from danlu.data.record import Record
from danlu.machine.database import address_of, reason
from danlu.machine.remote import shown
from danlu.refusal import Refusal

MANY = 1000  # rows that are fetched at once


class Sql(Format):
    """The rows of a table or a query; nothing is written, whatever the query says.

    Whether a server's rows have changed is not known before they are read, so a stage that is done stays done: write
    another `snapshot` to have them read again. A file of SQLite is looked at as any other.
    """

    counted_in: ClassVar[str] = "row"

    path: str = Field(description="sqlite:///rows.db or postgresql://user@machine/database")
    table: str | None = Field(
        default=None, min_length=1, description="name of a table, 'schema.table' in another schema"
    )
    query: str | None = Field(default=None, min_length=1, description="a SELECT, instead of a table")
    expand: tuple[str, ...] = Field(default=(), description="columns that hold JSON objects, whose keys become columns")
    snapshot: str = Field(default="", description="any text; another one has a server's rows read again")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either 'table' or 'query', which say what is read")
        if ";" in (self.query or "").rstrip().rstrip(";"):
            raise ValueError(
                "'query' is to be one SELECT, and ';' stands inside of it; leave out all but one statement"
            )
        return self

    def inputs(self) -> list[str]:
        """The file of SQLite, and what a program that has it open has written beside it and not yet into it."""
        from pathlib import Path

        address = self._address()
        if address.get_backend_name() != "sqlite":
            return []
        beside = Path(f"{address.database}-wal")
        written = beside.is_file() and beside.stat().st_size > 0
        return [address.database, *([str(beside)] if written else [])]

    def shards(self) -> list[str]:
        """The database itself; see `Format.shards`."""
        return [self.path]

    def rows_of(self, shard: str, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the rows; see `Format.rows_of`."""
        from sqlalchemy.exc import SQLAlchemyError

        name = shown(shard)
        try:
            for number, row in enumerate(self._rows(), 1):
                record = self._expanded(row)
                if isinstance(record, str):
                    bad_rows.reject(name, f"row {number}", record, row)
                else:
                    yield number, record
        except SQLAlchemyError as error:
            raise Refusal(
                f"{name}: cannot be read ({reason(error)}); check the address, and 'table' or 'query'"
            ) from None

    def _rows(self) -> Iterator[Record]:
        from pathlib import Path

        import sqlalchemy as sql

        address = self._address()
        sqlite = address.get_backend_name() == "sqlite"
        if sqlite and not Path(address.database).is_file():
            raise Refusal(f"{self.path}: there is no such file; check the path")
        engine = sql.create_engine(address)
        if sqlite:
            sql.event.listen(engine, "connect", lambda connection, _: _reads_only(connection))
        schema, _, name = (self.table or "").rpartition(".")
        table = sql.table(sql.quoted_name(name, quote=True), schema=schema or None)
        asked = (
            sql.text(re.sub(r"\\?:", r"\\:", self.query))
            if self.query
            else sql.select(sql.text("*")).select_from(table)
        )
        try:
            with engine.connect() as connection:
                if not sqlite:
                    connection.execute(sql.text("SET TRANSACTION READ ONLY"))
                found = connection.execution_options(stream_results=True, yield_per=MANY).execute(asked)
                if not found.returns_rows:
                    raise Refusal(f"{shown(self.path)}: 'query' gives no rows; write a SELECT")
                names = [str(key) for key in found.keys()]  # noqa: SIM118  (it is no dict)
                if twice := [key for key in names if names.count(key) > 1]:
                    raise Refusal(f"{shown(self.path)}: two columns are called '{twice[0]}'; name them apart with AS")
                for row in found.mappings():
                    yield {str(key): _plain(value) for key, value in row.items()}
        finally:
            engine.dispose()

    def _expanded(self, row: Record) -> Record | str:
        """The row with what its JSON columns hold; or what is wrong with it."""
        found = {name: value for name, value in row.items() if name not in self.expand}
        for name in self.expand:
            value = row.get(name)
            try:
                inside = parse(value, f"column '{name}'") if isinstance(value, str) else value
            except Refusal as refused:
                return f"{refused}, or leave the column out of 'expand'"
            if inside is None:
                continue
            if not isinstance(inside, dict):
                return f"column '{name}' holds JSON that is no object; leave it out of 'expand'"
            found |= inside
        return found

    def _address(self) -> Any:
        return address_of(self.path, f"path '{shown(self.path)}'", "sql", "reading a database", "rows.db")


def _reads_only(connection: Any) -> None:
    """Let nothing be written, attached or set, whatever a query says: `query_only` lets VACUUM INTO and ATTACH pass."""
    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
    allowed.add(sqlite3.SQLITE_TRANSACTION)
    connection.set_authorizer(lambda action, *_told: sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY)


def _number(value: decimal.Decimal | dt.timedelta) -> int | float | str:
    """A number as JSON has it; what is none, such as NaN, by its name.

    Databases give averages and scores as decimals, and as texts, which `plain` would make of them, these were names.
    """
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if not value.is_finite():
        return str(value)
    return int(value) if value == value.to_integral_value() else float(value)


def _plain(value: Any) -> Any:
    """A value of a database as JSON has it."""
    match value:
        case decimal.Decimal() | dt.timedelta():
            return _number(value)
        case dt.date() | dt.time():
            return value.isoformat()
        case uuid.UUID():
            return str(value)
        case list() | tuple():
            return [_plain(each) for each in value]
        case bytes() | memoryview() | bytearray():
            return base64.b64encode(bytes(value)).decode()
        case _:
            return value
