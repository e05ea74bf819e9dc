"""All that is kept, in tables of SQLite or PostgreSQL; each call is one transaction."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from danlu.apps.recommend.deed import Deed
from danlu.apps.recommend.item import Item
from danlu.machine.database import WAIT, address_of, begin_at_once, make_tables, reason
from danlu.machine.remote import shown
from danlu.refusal import Refusal

FILE = "recommend.db"
_LEARNT = "learnt"
_UNDATED = "undated"
_AT_ONCE = 500
"""Rows of a statement."""
_READ_AT_ONCE = 10_000


class Unavailable(Refusal):
    """The database does not answer; the same may be tried again later."""


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


class Ledger:
    """The tables; several processes may write, one after the other."""

    def __init__(self, place: str | Path) -> None:
        """Open a folder, or a database by its URL; what is not there is made.

        Raises:
            Refusal: it cannot be opened.
        """
        url = str(place)
        if "://" not in url:
            folder = Path(url).expanduser()
            if folder.exists() and not folder.is_dir():
                raise Refusal(f"{folder}: is a file; name a folder, or a database such as postgresql://machine/name")
            folder.mkdir(parents=True, exist_ok=True)
            url = f"sqlite:///{folder / FILE}"
        address = address_of(url, "--place", "serve", "keeping behaviour", FILE)
        import sqlalchemy as sql
        from sqlalchemy.exc import SQLAlchemyError

        self.shown = shown(url)
        self._sql = sql
        self._sqlite = address.get_backend_name() == "sqlite"
        settings: dict[str, Any] = {"timeout": WAIT} if self._sqlite else {"options": f"-c lock_timeout={WAIT:.0f}s"}
        self._engine = sql.create_engine(address, connect_args=settings, pool_pre_ping=True, hide_parameters=True)
        if self._sqlite:
            begin_at_once(self._engine)
        self._tables(sql)
        try:
            make_tables(self._engine, self._meta, "recommend", self.shown)
        except SQLAlchemyError as error:
            self._engine.dispose()
            raise Refusal(f"{self.shown}: cannot be opened ({reason(error)}); see that it is there") from None

    def _tables(self, sql: Any) -> None:
        self._meta = sql.MetaData()
        number = sql.BigInteger().with_variant(sql.Integer, "sqlite")
        self._items = sql.Table(
            "danlu_recommend_items",
            self._meta,
            sql.Column("id", sql.String(200), primary_key=True),
            sql.Column("title", sql.Text, nullable=False),
            sql.Column("text", sql.Text, nullable=False),
            sql.Column("time", sql.Float),
            sql.Column("removed", sql.Boolean, nullable=False),
            sql.Column("revision", sql.BigInteger, nullable=False, index=True),
        )
        self._deeds = sql.Table(
            "danlu_recommend_deeds",
            self._meta,
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
            self._meta,
            sql.Column("item", sql.String(200), primary_key=True),
            sql.Column("embedder", sql.String(80), nullable=False),
            sql.Column("digest", sql.String(64), nullable=False),
            sql.Column("vector", sql.LargeBinary, nullable=False),
        )
        self._settings = sql.Table(
            "danlu_recommend_settings",
            self._meta,
            sql.Column("name", sql.String(80), primary_key=True),
            sql.Column("value", sql.Text, nullable=False),
        )

    def put(self, items: Sequence[Item]) -> tuple[int, int]:
        """Put items, of equal names the last; gives how many are new, and how many have changed."""
        latest = {item.id: item for item in items}
        table, added, changed = self._items, 0, 0
        with self._writing(table) as connection:
            revision = self._newest(connection, table.c.revision) + 1
            for part in _parts(list(latest.values())):
                columns = self._sql.select(table).where(table.c.id.in_([item.id for item in part]))
                known = {row.id: row for row in connection.execute(columns)}
                fresh, other = [], []
                for item in part:
                    row = {"id": item.id, "title": item.title, "text": item.text, "time": item.time}
                    row |= {"removed": False, "revision": revision}
                    old = known.get(item.id)
                    if old is None:
                        fresh.append(row)
                    elif (old.title, old.text, old.time, old.removed) != (item.title, item.text, item.time, False):
                        other.append(row)
                if other:
                    connection.execute(table.delete().where(table.c.id.in_([row["id"] for row in other])))
                if fresh or other:
                    connection.execute(table.insert(), [*fresh, *other])
                added, changed = added + len(fresh), changed + len(other)
        return added, changed

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
        if self._sqlite:
            from sqlalchemy.dialects.sqlite import insert
        else:
            from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
        rows = [{**vars(deed), "received": received} for deed in deeds]
        with self._writing(table) as connection:
            once = insert(table).on_conflict_do_nothing().returning(table.c.number)
            return sum(len(connection.execute(once, part).all()) for part in _parts(rows))

    def since(self, revision: int, number: int) -> News:
        """What has come after a revision of the items and a number of the deeds.

        The time of a deed that was yet to come when it was received is that of its receipt.
        """
        items, deeds = self._items, self._deeds
        with self._reading() as connection:
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
        with self._reading() as connection:
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
        with self._reading() as connection:
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
        with self._reading() as connection:
            found = connection.execute(self._sql.select(table.c.value).where(table.c.name == name)).scalar()
        return None if found is None else str(found)

    def learnt(self, name: str, value: str) -> None:
        """Keep what was learnt under a name, for all who have the place open."""
        table = self._settings
        with self._writing(table) as connection:
            for key, text in ((name, value), (_LEARNT, uuid.uuid4().hex)):
                connection.execute(table.delete().where(table.c.name == key))
                connection.execute(table.insert().values(name=key, value=text))

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        """A transaction; raises `Unavailable` for what goes wrong in it."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise Unavailable(
                f"{self.shown}: the database does not answer ({reason(error)}); nothing of this was kept, try again"
            ) from None

    @contextmanager
    def _writing(self, table: Any) -> Iterator[Any]:
        """A transaction in which nobody else writes to the table, so that numbers are seen in their order."""
        with self._reading() as connection:
            if not self._sqlite:
                connection.execute(self._sql.text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))
            yield connection

    def _noted(self, connection: Any) -> list[float]:
        """The moments as of which was taken what had no time, in order."""
        table = self._settings
        found = connection.execute(self._sql.select(table.c.value).where(table.c.name == _UNDATED)).scalar()
        return [] if found is None else [float(moment) for moment in json.loads(found)]

    def _newest(self, connection: Any, column: Any) -> int:
        return int(connection.execute(self._sql.select(self._sql.func.max(column))).scalar() or 0)


def _parts(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), _AT_ONCE):
        yield rows[start : start + _AT_ONCE]
