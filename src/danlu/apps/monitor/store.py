"""Where all is kept: texts, counts, detectors, alerts and what is to be sent, in SQLite or PostgreSQL.

Whatever belongs together is one transaction, so that a process that is killed leaves all of it or none. What was asked
twice is done once: texts by their key, alerts by theirs, messages by alert and channel.
"""

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from danlu.apps.monitor.dates import settled
from danlu.apps.monitor.item import Item
from danlu.apps.monitor.tables import DATA, FACTS, TEXTS
from danlu.machine.database import address_of, begin_at_once, make_tables, reason
from danlu.machine.holder import this_process
from danlu.refusal import Refusal, without_secrets

NAME = "monitor.db"
"""The file of SQLite in the folder of a monitor."""

LOCKED = 5.0
"""Seconds for which another may hold what a transaction needs; after that the database is away."""

_CLOCKS = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
}


class Away(Exception):
    """The database cannot be reached for now; the same may be asked again, and will be done once."""


@dataclass(frozen=True)
class Kept:
    """What became of items.

    - `new`, `known`: how many there are; of the new ones, `undated`: tell no time, `future`, `odd`: none that can be.
    - `cut`: how many were longer than is kept.
    """

    new: int = 0
    known: int = 0
    undated: int = 0
    future: int = 0
    odd: int = 0
    cut: int = 0


class Store:
    """A database that is open. `holder` names this process in leases."""

    def __init__(self, url: str) -> None:
        """Open the database, and make its tables where there are none.

        Raises:
            Refusal: it cannot be opened.
        """
        address = address_of(url, "--store", "monitor", "a monitor", NAME)
        lite = address.get_backend_name() == "sqlite"
        if lite:
            file = Path(address.database).expanduser()
            file.parent.mkdir(parents=True, exist_ok=True)
            address = address.set(database=str(file))
        settings: dict[str, Any] = {"timeout": LOCKED} if lite else {"connect_timeout": 5}
        if not lite:
            settings["options"] = f"-c lock_timeout={int(LOCKED * 1000)} -c statement_timeout=60000"
        self.shown = without_secrets(address.render_as_string(hide_password=True))
        self.holder = f"{uuid.uuid4().hex[:12]} {this_process()}"
        self.engine = sql.create_engine(address, connect_args=settings, pool_pre_ping=True, hide_parameters=True)
        self.lite = lite
        if lite:
            begin_at_once(self.engine)
            sql.event.listen(self.engine, "connect", _write_ahead)
        try:
            make_tables(self.engine, DATA, "monitor", self.shown)
        except SQLAlchemyError as error:
            self.engine.dispose()
            raise Refusal(f"{self.shown}: cannot be opened ({reason(error)}); see that it is there") from None

    @contextmanager
    def begin(self) -> Iterator[sql.Connection]:
        """One transaction.

        Raises:
            Away: the database does not answer; whether the transaction was kept is not known.
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except (DBAPIError, PoolTimeout) as error:
            if isinstance(error, sql.exc.IntegrityError | sql.exc.ProgrammingError | sql.exc.DataError):
                raise
            raise Away(f"{self.shown}: {reason(error)}") from error

    def insert(self, table: sql.Table) -> Any:
        """An insert that may say what to do on conflict."""
        return sqlite.insert(table) if self.lite else postgresql.insert(table)

    def clock(self, connection: sql.Connection) -> float:
        """The time of the database, which is one for all processes."""
        return float(connection.execute(sql.text(_CLOCKS[connection.dialect.name])).scalar_one())

    def put(self, items: Sequence[Item], now: float) -> Kept:
        """Keep items; those that are there already are left as they are."""
        with self.begin() as connection:
            return self.put_within(connection, items, now)

    def put_within(self, connection: sql.Connection, items: Sequence[Item], now: float) -> Kept:
        """The same as a part of a transaction."""
        rows = list({item.key: (item, _row(item, now)) for item in items}.values())
        if not rows:
            return Kept()
        rows.sort(key=lambda each: each[1]["date"])
        known = self._known(connection, [row["key"] for _, row in rows])
        new = [(item, row) for item, row in rows if row["key"] not in known]
        if new:
            insert = self.insert(TEXTS).on_conflict_do_nothing(index_elements=["key"])
            connection.execute(insert, [row for _, row in new])
        return Kept(
            new=len(new),
            known=len(items) - len(new),
            undated=sum(row["dated"] == "none" for _, row in new),
            future=sum(row["dated"] == "future" for _, row in new),
            odd=sum(row["dated"] == "odd" for _, row in new),
            cut=sum(item.cut for item, _ in new),
        )

    def _known(self, connection: sql.Connection, keys: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            found |= set(connection.scalars(sql.select(TEXTS.c.key).where(TEXTS.c.key.in_(part))))
        return found

    def fact(self, connection: sql.Connection, name: str) -> Any:
        """A value that was kept under a name; None for none."""
        value = connection.execute(sql.select(FACTS.c.value).where(FACTS.c.name == name)).scalar_one_or_none()
        return None if value is None else json.loads(value)

    def keep_fact(self, connection: sql.Connection, name: str, value: Any) -> None:
        """Keep a plain value under a name."""
        told = json.dumps(value, ensure_ascii=False)
        insert = self.insert(FACTS).values(name=name, value=told)
        connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"value": told}))

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()


def url_of(folder: Path) -> str:
    """The address of the database in the folder of a monitor."""
    return f"sqlite:///{folder.absolute() / NAME}"


def _row(item: Item, now: float) -> dict[str, Any]:
    date, dated = settled(item.date, now)
    given: dict[str, Any] = {}
    if item.topics is not None:
        given["topics"] = list(item.topics)
    if item.negative is not None:
        given["negative"] = item.negative
    return {
        "key": item.key,
        "title": item.title,
        "text": item.text,
        "source": item.source,
        "url": item.url,
        "date": date,
        "dated": dated,
        "came": now,
        "given": json.dumps(given, ensure_ascii=False) if given else None,
        "judged": False,
    }


def _write_ahead(connection: Any, _record: object) -> None:
    """Let readers read while one writes; `synchronous=FULL` keeps what was committed when the machine fails."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
