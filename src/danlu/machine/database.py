"""Databases by their address: a file of SQLite, or a PostgreSQL server that several machines reach."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from danlu.machine.extra import needed
from danlu.machine.remote import shown
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine, MetaData, Table

WAIT = 60.0  # seconds for which another may write to a file of SQLite

READS = "danlu_reads"
"""Name of an option of SQLAlchemy: who begins does not write, so nobody need wait."""

_STATEMENT = 60_000  # milliseconds that a statement may take on a server
_OPENING = 0x64616E6C7562  # of an advisory lock of PostgreSQL: "danlub"
_CLOCKS = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
}


FORMATS = {"assistant": 1, "feedback": 1, "monitor": 1, "recommend": 1}
"""Which format the tables of an application have; a number rises where an earlier danlu could not read them."""


class Unreachable(Refusal):
    """A database does not answer now; the same may be asked again later."""

    @property
    def why(self) -> str:
        """The sentence without the advice to try again."""
        return str(self).removesuffix("; try again")


class Database:
    """A database that is open, with its tables: a file of SQLite, or on a PostgreSQL server.

    Several processes may use it; `shown` is its address as messages may tell it.
    """

    def __init__(
        self,
        address: "URL",
        tables: "MetaData",
        locked: float,
        *,
        name: str | None = None,
        takes_over: "Callable[[Connection], object] | None" = None,
    ) -> None:
        """Open what `address_of` gives, and make the tables that are not there.

        `locked` are seconds for which another may hold what a transaction needs. `name` is one of `FORMATS`;
        `takes_over` moves what an earlier version has kept elsewhere into the tables, in the transaction that makes
        them.

        Raises:
            Refusal: it cannot be opened, or was made by a newer danlu.
        """
        import sqlalchemy as sql
        from sqlalchemy.exc import SQLAlchemyError

        self.sqlite = address.get_backend_name() == "sqlite"
        self.shown = shown(address.set(drivername=address.get_backend_name()).render_as_string())
        settings: dict[str, Any] = {"timeout": locked}
        if not self.sqlite:
            limits = f"-c lock_timeout={locked * 1000:.0f} -c statement_timeout={_STATEMENT}"
            given = {name: value if isinstance(value, str) else value[-1] for name, value in address.query.items()}
            settings = {"options": f"{limits} {given.get('options', '')}".strip()}  # the later of two counts
            settings |= {} if "connect_timeout" in given else {"connect_timeout": 5}
        try:
            if self.sqlite:
                Path(str(address.database)).parent.mkdir(parents=True, exist_ok=True)
            self.engine: Engine = sql.create_engine(
                address, connect_args=settings, pool_pre_ping=True, hide_parameters=True
            )
            if self.sqlite:
                begin_at_once(self.engine)
                sql.event.listen(self.engine, "connect", _write_ahead)
            reads = {} if self.sqlite else {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"}
            self._read = self.engine.execution_options(**{READS: True}, **reads)
            self._make(tables, name, takes_over)
        except (SQLAlchemyError, OSError) as error:
            raise Refusal(f"{self.shown}: cannot be opened ({reason(error)}); see that it is there") from None

    def _make(self, tables: "MetaData", name: str | None, takes_over: "Callable[[Connection], object] | None") -> None:
        import sqlalchemy as sql

        try:
            with self.engine.begin() as connection:
                if not self.sqlite:  # two that make a table at once are refused there, whatever they ask before
                    connection.execute(sql.text(f"SELECT pg_advisory_xact_lock({_OPENING})"))
                if name is not None:
                    self._agree(connection, name)
                tables.create_all(connection)
                for index in (index for table in tables.tables.values() for index in table.indexes):
                    index.create(connection, checkfirst=True)  # of a table that was there before it
                if takes_over is not None:
                    takes_over(connection)
        except BaseException:
            self.engine.dispose()
            raise

    def _agree(self, connection: "Connection", name: str) -> None:
        """See that tables of a name have no newer format, and note that of new ones."""
        import sqlalchemy as sql

        formats = sql.Table(
            "danlu_formats",
            sql.MetaData(),
            sql.Column("name", sql.String(64), primary_key=True),
            sql.Column("format", sql.Integer, nullable=False),
        )
        formats.create(connection, checkfirst=True)
        kept = connection.execute(sql.select(formats.c.format).where(formats.c.name == name)).scalar()
        if kept is None:  # new, or of the time when formats were not noted, which was the first one
            connection.execute(formats.insert().values(name=name, format=FORMATS[name]))
        elif kept > FORMATS[name]:
            raise Refusal(
                f"{self.shown}: its tables have format {kept}, and this danlu reads {FORMATS[name]}; upgrade danlu, or "
                "name another database"
            )

    def begin(self) -> "AbstractContextManager[Connection]":
        """A transaction: all of it is kept, or nothing.

        Raises:
            Unreachable: the database does not answer; whether the transaction was kept is not known.
        """
        return self._begun(self.engine)

    def reading(self) -> "AbstractContextManager[Connection]":
        """A transaction that only reads, all as of one moment; it waits for nobody who writes, and lets nobody wait.

        Raises:
            Unreachable: the database does not answer.
        """
        return self._begun(self._read)

    @contextmanager
    def _begun(self, engine: "Engine") -> "Iterator[Connection]":
        from sqlalchemy import exc

        try:
            with engine.begin() as connection:
                yield connection
        except (exc.DataError, exc.IntegrityError, exc.ProgrammingError):
            raise
        except (exc.DBAPIError, exc.TimeoutError) as error:
            raise Unreachable(f"{self.shown}: does not answer ({reason(error)}); try again") from None

    def insert(self, table: "Table") -> Any:
        """An insert that may say what to do on conflict."""
        from sqlalchemy.dialects import postgresql, sqlite

        return sqlite.insert(table) if self.sqlite else postgresql.insert(table)

    @staticmethod
    def clock(connection: "Connection") -> float:
        """The time of the database in seconds since 1970, which is one for all processes."""
        from sqlalchemy import text

        return float(connection.execute(text(_CLOCKS[connection.dialect.name])).scalar_one())

    def close(self) -> None:
        """Let go of it."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def address_of(url: str | Path, where: str, extra: str, what: str, file: str) -> Any:
    """An address, or the path of a file of SQLite, as SQLAlchemy has it; an example may show the name `file`.

    Raises:
        Refusal: it is none, of another database, or of one in memory; or what it needs is not installed. Names `where`
            it was given, and for `what` the `extra` is needed.
    """
    needed("sqlalchemy", extra, what)
    from sqlalchemy import URL, make_url
    from sqlalchemy.exc import ArgumentError

    if isinstance(url, Path):  # in an address some characters of names mean something else
        return URL.create("sqlite", database=str(url))
    examples = f"sqlite:///{file} or postgresql://user@machine/database"
    scheme, sign, rest = url.partition("://")
    if not sign or scheme.partition("+")[0] not in ("sqlite", "postgresql", "postgres"):
        raise Refusal(f"{where}: '{scheme[:20]}' is no database that can be used here; write {examples}")
    if scheme.startswith("postgres"):
        needed("psycopg", "postgres", f"{what} in PostgreSQL")
        scheme = "postgresql+psycopg"
    given = f"{scheme.partition('+')[0] if scheme.startswith('sqlite') else scheme}://{rest}"
    if given.count("@") > 1:  # what stands behind the first would be taken for the machine, and shown
        raise Refusal(f"{where}: '@' stands more than once in the address; write %40 for one in a name or password")
    try:
        address = make_url(given)
    except (ArgumentError, ValueError):  # a port that is no number
        raise Refusal(f"{where}: this is no address of a database; write {examples}") from None
    if address.get_backend_name() == "sqlite" and address.database in (None, "", ":memory:"):
        raise Refusal(f"{where}: a database in memory ends with the process; name a file, such as sqlite:///{file}")
    if address.get_backend_name() == "sqlite" and str(address.database).startswith("~"):
        try:
            return address.set(database=str(Path(str(address.database)).expanduser()))
        except RuntimeError:
            home = Path(str(address.database)).parts[0]
            raise Refusal(f"{where}: there is no home '{home[:100]}'; write the whole path of the file") from None
    return address


def reason(error: Exception) -> str:
    """What a database says went wrong, without passwords."""
    origin = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
    return re.sub(r"(?i)(password\s*=\s*)\S+", r"\1***", " ".join(str(origin).split()))[:300]


def begin_at_once(engine: Any) -> None:
    """Let transactions of SQLite wait for who writes before they read: who reads first is sent away at once."""
    from sqlalchemy import event

    event.listen(engine, "connect", _begins_by_itself)
    event.listen(engine, "begin", _begin)


def _begins_by_itself(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def _begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(READS) else "BEGIN IMMEDIATE")


def _write_ahead(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")  # a file is read while it is written to, and waits for the disk once
    connection.execute("PRAGMA synchronous=FULL")  # keeps what was committed when the machine fails
