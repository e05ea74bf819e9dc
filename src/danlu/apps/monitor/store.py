"""Where all is kept: texts, counts, detectors, alerts and what is to be sent, in SQLite or PostgreSQL.

Whatever belongs together is one transaction, so that a process that is killed leaves all of it or none. What was asked
twice is done once: texts by their key, alerts by theirs, messages by alert and channel.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from danlu.apps.monitor.dates import settled
from danlu.apps.monitor.item import Item
from danlu.apps.monitor.tables import DATA, FACTS, TEXTS, take_over
from danlu.machine.database import Database, address_of
from danlu.machine.holder import this_process

NAME = "monitor.db"
"""The file of SQLite in the folder of a monitor."""

LOCKED = 5.0
"""Seconds for which another may hold what a transaction needs; after that the database is away."""


@dataclass(frozen=True)
class Kept:
    """What became of items.

    - `new`, `known`: how many there are; of the new ones, `undated`: tell no time, `future`, `odd`: none that can be.
    - `cut`: how many were longer than is kept; `unread`: how many tell a sentiment that is not understood.
    """

    new: int = 0
    known: int = 0
    undated: int = 0
    future: int = 0
    odd: int = 0
    cut: int = 0
    unread: int = 0


class Store(Database):
    """A database that is open. `holder` names this process in leases."""

    def __init__(self, url: str | Path) -> None:
        """Open the database, a file of SQLite by its path, and make its tables where there are none.

        Raises:
            Refusal: it cannot be opened.
        """
        address = address_of(url, "--store", "monitor", "a monitor", NAME)
        self.holder = f"{uuid.uuid4().hex[:12]} {this_process()}"
        super().__init__(address, DATA, LOCKED, name="monitor", takes_over=take_over)

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
            unread=sum(item.unread for item, _ in new),
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
