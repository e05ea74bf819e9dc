"""Where a study is kept: a file of SQLite beside the results, or a PostgreSQL server that several machines reach."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from danlu.machine.alone import one_at_a_time
from danlu.machine.extra import needed
from danlu.refusal import Refusal, without_secrets

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

NAME = "search.db"

WAIT = 60.0  # seconds for which another may write to a file of SQLite
_OPENING = 0x64616E6C75  # of an advisory lock of PostgreSQL: "danlu"


@contextmanager
def opened(url: str | None, folder: Path, say: Callable[[str], None]) -> Iterator["RDBStorage"]:
    """The storage behind a URL, by default a file in `folder`; its tables are made if they are not there.

    Raises:
        Refusal: the URL is none of SQLite or PostgreSQL, or what it names cannot be opened.
    """
    optuna = needed("optuna", "search", "danlu search")
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    address = _address(url, folder)
    shown = without_secrets(address.render_as_string(hide_password=True))
    try:
        storage = _opened(optuna, address, folder, say)
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise Refusal(f"{shown}: cannot be opened ({_reason(error)}); see that it is there and lets you in") from None
    try:
        yield storage
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise Refusal(f"{shown}: is not there any more ({_reason(error)}); the same command goes on") from error
    finally:
        storage.remove_session()
        storage.engine.dispose()


_EXAMPLES = "sqlite:///search.db or postgresql://user@machine/database"


def _address(url: str | None, folder: Path) -> Any:
    """Where the database is, as SQLAlchemy has it."""
    from sqlalchemy import URL, make_url
    from sqlalchemy.exc import ArgumentError

    if not url:
        return URL.create("sqlite", database=(folder / NAME).as_posix())
    given = _with_driver(url)
    if given.count("@") > 1:  # what stands behind the first would be taken for the machine, and shown
        raise Refusal("--storage: '@' stands more than once in the address; write %40 for one in a name or password")
    try:
        address = make_url(given)
    except (ArgumentError, ValueError):  # a port that is no number
        raise Refusal(f"--storage: this is no address of a database; write {_EXAMPLES}") from None
    if address.get_backend_name() == "sqlite" and address.database in (None, "", ":memory:"):
        raise Refusal("--storage: a database in memory ends with the process; name a file, such as sqlite:///search.db")
    return address


def _with_driver(url: str) -> str:
    scheme, sign, rest = url.partition("://")
    if not sign or scheme.partition("+")[0] not in ("sqlite", "postgresql", "postgres"):
        raise Refusal(f"--storage: '{scheme[:20]}' is no database that a search can be kept in; write {_EXAMPLES}")
    if scheme.startswith("postgres"):
        needed("psycopg", "postgres", "a search in PostgreSQL")
        return f"postgresql+psycopg://{rest}"
    return f"sqlite://{rest}"


def _opened(optuna: Any, address: Any, folder: Path, say: Callable[[str], None]) -> "RDBStorage":
    from sqlalchemy import create_engine, event, text

    from danlu.trials.leases import make_table

    storage: RDBStorage
    url = address.render_as_string(hide_password=False)
    if address.get_backend_name() == "sqlite":
        with one_at_a_time(folder, NAME, say):
            storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": WAIT}})
            make_table(storage.engine)
        event.listen(storage.engine, "connect", _begins_by_itself)
        event.listen(storage.engine, "begin", _begin)
        storage.engine.dispose()  # connections that are made from now on
        return storage
    engine = create_engine(address)
    try:
        with engine.connect() as connection:
            connection.execute(text(f"SELECT pg_advisory_lock({_OPENING})"))
            storage = optuna.storages.RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
            make_table(storage.engine)
    finally:
        engine.dispose()
    return storage


def _begins_by_itself(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def _begin(connection: Any) -> None:
    """Wait for who writes before anything is read: who has read and then wants to write is sent away at once."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _reason(error: Exception) -> str:
    origin = getattr(error.__cause__ or error, "orig", None) or error
    return re.sub(r"(?i)(password\s*=\s*)\S+", r"\1***", " ".join(str(origin).split()))[:300]
