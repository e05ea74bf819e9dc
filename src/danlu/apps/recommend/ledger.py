"""All that is kept, in tables of SQLite or PostgreSQL; each call is one transaction."""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.apps.recommend.deed import Deed
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.taken import Put
from danlu.machine.database import WAIT, Database, address_of
from danlu.machine.located import at_home
from danlu.refusal import Refusal

FILE = "recommend.db"
_LEARNT = "learnt"
_UNDATED = "undated"
_AT_ONCE = 500
"""Rows of a statement."""
_READ_AT_ONCE = 10_000


@dataclass(frozen=True)
class News:
    """What has come since: items that were put or removed, names of those removed, deeds, and up to where that is.

    `learnt` changes whenever something was learnt.
    """

    items: list[Item]
    removed: list[str]
    deeds: list[Deed]
    revision: int
    number: int
    learnt: str | None


class Ledger(Database):
    """The tables; several processes may write, one after the other."""

    def __init__(self, place: str | Path) -> None:
        """Open a folder, or a database by its URL; what is not there is made.

        Raises:
            Refusal: it cannot be opened.
        """
        at: str | Path = str(place)
        if "://" not in str(place):
            folder = at_home(str(place))
            if folder.exists() and not folder.is_dir():
                raise Refusal(f"{folder}: is a file; name a folder, or a database such as postgresql://machine/name")
            folder.mkdir(parents=True, exist_ok=True)
            at = folder / FILE
        address = address_of(at, "--place", "serve", "keeping behaviour", FILE)
        import sqlalchemy as sql

        self._sql = sql
        super().__init__(address, self._tables(sql), WAIT, name="recommend")

    def _tables(self, sql: Any) -> Any:
        tables = sql.MetaData()
        number = sql.BigInteger().with_variant(sql.Integer, "sqlite")
        self._items = sql.Table(
            "danlu_recommend_items",
            tables,
            sql.Column("id", sql.String(200), primary_key=True),
            sql.Column("title", sql.Text, nullable=False),
            sql.Column("text", sql.Text, nullable=False),
            sql.Column("time", sql.Float),
            sql.Column("removed", sql.Boolean, nullable=False),
            sql.Column("revision", sql.BigInteger, nullable=False, index=True),
        )
        self._deeds = sql.Table(
            "danlu_recommend_deeds",
            tables,
            sql.Column("number", number, primary_key=True),
            sql.Column("user", sql.String(200), nullable=False),
            sql.Column("item", sql.String(200), nullable=False),
            sql.Column("action", sql.String(200), nullable=False),
            sql.Column("time", sql.Float, nullable=False),
            sql.Column("received", sql.Float, nullable=False),
            sql.UniqueConstraint("user", "item", "action", "time", name="danlu_recommend_deeds_once"),
            sqlite_autoincrement=True,
        )
        self._vectors = sql.Table(
            "danlu_recommend_vectors",
            tables,
            sql.Column("item", sql.String(200), primary_key=True),
            sql.Column("embedder", sql.String(80), nullable=False),
            sql.Column("digest", sql.String(64), nullable=False),
            sql.Column("vector", sql.LargeBinary, nullable=False),
        )
        self._rows = sql.Table(
            "danlu_recommend_rows",
            tables,
            sql.Column("item", sql.String(200), primary_key=True),
            sql.Column("digest", sql.String(64), nullable=False),
        )
        self._settings = sql.Table(
            "danlu_recommend_settings",
            tables,
            sql.Column("name", sql.String(80), primary_key=True),
            sql.Column("value", sql.Text, nullable=False),
        )
        return tables

    def put(self, items: Sequence[Item]) -> tuple[int, int]:
        """Put items, of equal names the last; gives how many are new, and how many have changed."""
        with self._writing(self._items) as connection:
            return self._put(connection, _latest(items))

    def put_rows(self, items: Sequence[Item]) -> Put:
        """Put what a file says of items; a row that was the same when it was put before changes nothing."""
        table, latest = self._rows, _latest(items)
        told = {item.id: _digest(item) for item in latest}
        with self._writing(self._items) as connection:
            known: dict[str, str] = {}
            for part in _parts(list(told)):
                known |= {
                    row.item: row.digest
                    for row in connection.execute(self._sql.select(table).where(table.c.item.in_(part)))
                }
            fresh = [item for item in latest if known.get(item.id) != told[item.id]]
            same = [item for item in latest if known.get(item.id) == told[item.id]]
            new, changed = self._put(connection, fresh)
            for part in _parts([item.id for item in fresh]):
                connection.execute(table.delete().where(table.c.item.in_(part)))
                connection.execute(table.insert(), [{"item": name, "digest": told[name]} for name in part])
            left = sum(self._differs(row, item) for item, row in self._known(connection, same))
        return Put(new, changed, left)

    def _put(self, connection: Any, items: Sequence[Item]) -> tuple[int, int]:
        table = self._items
        revision = self._newest(connection, table.c.revision) + 1
        added, changed = [], []
        for item, old in self._known(connection, items):
            row = {"id": item.id, "title": item.title, "text": item.text, "time": item.time}
            row |= {"removed": False, "revision": revision}
            if old is None:
                added.append(row)
            elif self._differs(old, item):
                changed.append(row)
        for part in _parts([row["id"] for row in changed]):
            connection.execute(table.delete().where(table.c.id.in_(part)))
        for part in _parts([*added, *changed]):
            connection.execute(table.insert(), part)
        return len(added), len(changed)

    def _known(self, connection: Any, items: Sequence[Item]) -> Iterator[tuple[Item, Any]]:
        """Items, each with what is kept of it; None for a new one."""
        table = self._items
        for part in _parts(items):
            asked = self._sql.select(table).where(table.c.id.in_([item.id for item in part]))
            known = {row.id: row for row in connection.execute(asked)}
            yield from ((item, known.get(item.id)) for item in part)

    @staticmethod
    def _differs(row: Any, item: Item) -> bool:
        return bool((row.title, row.text, row.time, row.removed) != (item.title, item.text, item.time, False))

    def remove(self, names: Sequence[str]) -> int:
        """No longer offer items; gives how many were offered."""
        table, count = self._items, 0
        with self._writing(table) as connection:
            revision = self._newest(connection, table.c.revision) + 1
            for part in _parts(names):
                chosen = table.c.id.in_(part) & ~table.c.removed
                count += connection.execute(
                    table.update().where(chosen).values(removed=True, revision=revision)
                ).rowcount
        return count

    def add(self, deeds: Sequence[Deed], received: float) -> int:
        """Keep deeds; gives how many were not known before."""
        table = self._deeds
        rows = [{**vars(deed), "received": received} for deed in deeds]
        with self._writing(table) as connection:
            once = self.insert(table).on_conflict_do_nothing().returning(table.c.number)
            return sum(len(connection.execute(once, part).all()) for part in _parts(rows))

    def since(self, revision: int, number: int) -> News:
        """What has come after a revision of the items and a number of the deeds.

        The time of a deed that was yet to come when it was received is that of its receipt.
        """
        items, deeds = self._items, self._deeds
        with self.reading() as connection:
            changed = connection.execute(
                self._sql.select(items).where(items.c.revision > revision).order_by(items.c.revision, items.c.id)
            ).all()
            rows = connection.execute(
                self._sql.select(deeds).where(deeds.c.number > number).order_by(deeds.c.number)
            ).yield_per(_READ_AT_ONCE)
            done = []
            for row in rows:
                number = row.number
                done.append(Deed(row.user, row.item, row.action, min(row.time, row.received)))
            settings = self._settings
            learnt = connection.execute(self._sql.select(settings.c.value).where(settings.c.name == _LEARNT)).scalar()
        return News(
            [Item(row.id, row.title, row.text, row.time) for row in changed],
            [row.id for row in changed if row.removed],
            done,
            max([revision, *(row.revision for row in changed)]),
            number,
            learnt,
        )

    def undated(self) -> dict[tuple[str, str, str], float]:
        """Users, items and actions that were read without a time, and when each was read first."""
        table, found = self._deeds, dict[tuple[str, str, str], float]()
        columns = self._sql.select(table.c.user, table.c.item, table.c.action, table.c.time).order_by(table.c.time)
        with self.reading() as connection:
            for part in _parts(self._noted(connection)):
                for row in connection.execute(columns.where(table.c.time.in_(part))).yield_per(_READ_AT_ONCE):
                    found.setdefault((row.user, row.item, row.action), row.time)
        return found

    def note_undated(self, moment: float) -> None:
        """Keep that what was read without a time is taken as of this moment."""
        table = self._settings
        with self._writing(table) as connection:
            moments = sorted({*self._noted(connection), moment})
            connection.execute(table.delete().where(table.c.name == _UNDATED))
            connection.execute(table.insert().values(name=_UNDATED, value=json.dumps(moments)))

    def everything(self) -> tuple[list[Item], list[Deed]]:
        """All items, also those that are no longer offered, and all deeds."""
        news = self.since(0, 0)
        return news.items, news.deeds

    def vectors(self, embedder: str) -> dict[str, tuple[str, bytes]]:
        """Of each item that this embedder has read: the digest of what it read, and the vector (float32)."""
        table = self._vectors
        with self.reading() as connection:
            rows = connection.execute(self._sql.select(table).where(table.c.embedder == embedder)).all()
        return {row.item: (row.digest, row.vector) for row in rows}

    def keep_vectors(self, embedder: str, vectors: Mapping[str, tuple[str, bytes]]) -> None:
        """Keep vectors in the place of those that the items had, of whichever embedder."""
        table = self._vectors
        with self._writing(table) as connection:
            for part in _parts(list(vectors.items())):
                connection.execute(table.delete().where(table.c.item.in_([name for name, _ in part])))
                rows = [
                    {"item": name, "embedder": embedder, "digest": digest, "vector": vector}
                    for name, (digest, vector) in part
                ]
                connection.execute(table.insert(), rows)

    def setting(self, name: str) -> str | None:
        """A setting as it was kept."""
        table = self._settings
        with self.reading() as connection:
            found = connection.execute(self._sql.select(table.c.value).where(table.c.name == name)).scalar()
        return None if found is None else str(found)

    def learnt(self, name: str, value: str) -> None:
        """Keep what was learnt under a name, for all who have the place open."""
        table = self._settings
        with self._writing(table) as connection:
            for key, text in ((name, value), (_LEARNT, uuid.uuid4().hex)):
                connection.execute(table.delete().where(table.c.name == key))
                connection.execute(table.insert().values(name=key, value=text))

    @contextmanager
    def _writing(self, table: Any) -> Iterator[Any]:
        """A transaction in which nobody else writes to the table, so that numbers are seen in their order."""
        with self.begin() as connection:
            if not self.sqlite:
                connection.execute(self._sql.text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))
            yield connection

    def _noted(self, connection: Any) -> list[float]:
        """The moments as of which was taken what had no time, in order."""
        table = self._settings
        found = connection.execute(self._sql.select(table.c.value).where(table.c.name == _UNDATED)).scalar()
        return [] if found is None else [float(moment) for moment in json.loads(found)]

    def _newest(self, connection: Any, column: Any) -> int:
        return int(connection.execute(self._sql.select(self._sql.func.max(column))).scalar() or 0)


def _latest(items: Sequence[Item]) -> list[Item]:
    """Of items of equal names the last."""
    return list({item.id: item for item in items}.values())


def _digest(item: Item) -> str:
    return hashlib.sha256(json.dumps([item.title, item.text, item.time]).encode()).hexdigest()


def _parts(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), _AT_ONCE):
        yield rows[start : start + _AT_ONCE]
