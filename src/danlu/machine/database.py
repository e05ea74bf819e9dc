"""Databases by their address: a file of SQLite, or a PostgreSQL server that several machines reach."""

import re
from contextlib import nullcontext
from typing import Any

from danlu.machine.extra import needed
from danlu.refusal import Refusal

WAIT = 60.0  # seconds for which another may write to a file of SQLite


def address_of(url: str, where: str, extra: str, what: str, file: str) -> Any:
    """An address as SQLAlchemy has it; `file` is the name of a file of SQLite that an example may show.

    Raises:
        Refusal: it is none, of another database, or of one in memory; or what it needs is not installed. Names `where`
            it was given, and for `what` the `extra` is needed.
    """
    needed("sqlalchemy", extra, what)
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

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
    return address


def reason(error: Exception) -> str:
    """What a database says went wrong, without passwords."""
    origin = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
    return re.sub(r"(?i)(password\s*=\s*)\S+", r"\1***", " ".join(str(origin).split()))[:300]


FORMATS = {"assistant": 1, "feedback": 1, "monitor": 1, "recommend": 1}
"""Which format the tables of each application have; a number rises where an earlier danlu could not read them."""

_MAKING = 7_301_562_281  # key of the lock in PostgreSQL under which tables are made


def make_tables(bind: Any, tables: Any, name: str, shown: str) -> None:
    """Make the tables of an application where there are none, and note their format, in one transaction.

    Raises:
        Refusal: what is there was made by a newer danlu; names the database as it is `shown`.
    """
    import sqlalchemy as sql

    formats = sql.Table(
        "danlu_formats",
        sql.MetaData(),
        sql.Column("name", sql.String(64), primary_key=True),
        sql.Column("format", sql.Integer, nullable=False),
    )
    with bind.begin() if isinstance(bind, sql.Engine) else nullcontext(bind) as connection:
        if bind.dialect.name == "postgresql":
            connection.execute(sql.text(f"SELECT pg_advisory_xact_lock({_MAKING})"))
        formats.create(connection, checkfirst=True)
        kept = connection.execute(sql.select(formats.c.format).where(formats.c.name == name)).scalar()
        if kept is not None and kept > FORMATS[name]:
            raise Refusal(
                f"{shown}: its tables have format {kept}, and this danlu reads {FORMATS[name]}; upgrade danlu, or name "
                "another database"
            )
        tables.create_all(connection)
        if kept is None:  # new, or of the time when formats were not noted, which was the first one
            connection.execute(formats.insert().values(name=name, format=FORMATS[name]))


def begin_at_once(engine: Any) -> None:
    """Let transactions of SQLite wait for who writes before they read: who reads first is sent away at once."""
    from sqlalchemy import event

    event.listen(engine, "connect", _begins_by_itself)
    event.listen(engine, "begin", _begin)


def _begins_by_itself(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def _begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
