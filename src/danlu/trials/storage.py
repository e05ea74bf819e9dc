"""Where a study is kept: a file of SQLite beside the results, or a PostgreSQL server that several machines reach."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from danlu.machine.alone import one_at_a_time
from danlu.machine.database import WAIT, address_of, begin_at_once, reason
from danlu.machine.extra import needed
from danlu.refusal import Refusal, without_secrets

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

NAME = "search.db"

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
        raise Refusal(f"{shown}: cannot be opened ({reason(error)}); see that it is there and lets you in") from None
    try:
        yield storage
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise Refusal(f"{shown}: is not there any more ({reason(error)}); the same command goes on") from error
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _address(url: str | None, folder: Path) -> Any:
    """Where the database is, as SQLAlchemy has it."""
    from sqlalchemy import URL

    if not url:
        return URL.create("sqlite", database=(folder / NAME).as_posix())
    return address_of(url, "--storage", "search", "a search", NAME)


def _opened(optuna: Any, address: Any, folder: Path, say: Callable[[str], None]) -> "RDBStorage":
    from sqlalchemy import create_engine, text

    from danlu.trials.leases import make_table

    storage: RDBStorage
    url = address.render_as_string(hide_password=False)
    if address.get_backend_name() == "sqlite":
        with one_at_a_time(folder, NAME, say):
            storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": WAIT}})
            make_table(storage.engine)
        begin_at_once(storage.engine)
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
