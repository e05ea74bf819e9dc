"""Messages that are to be sent: each is sent until it is taken, or has failed often enough to be told.

A message is a row, made in the transaction that makes what it tells of. It is taken by one process for a while, sent,
and marked as sent. A process that is killed between the last two leaves it to be sent once more, as no one can know
whether it was taken: a message carries the same key however often it is sent, by which the other side can tell that.
"""

import random
import threading
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sql

from danlu.machine.database import Database, Unreachable
from danlu.machine.holder import this_process
from danlu.machine.web import Failed

WAITING, SENT, FAILED = "waiting", "sent", "failed"
STATES = (WAITING, SENT, FAILED)

TRIES = 34
"""After which a message has failed: with the waits between them a day."""

FIRST_WAIT, LONGEST_WAIT = 5.0, 3600.0
"""Seconds between two tries, the first, and at most; each is about twice the one before it."""

GONE = 86_400.0
"""Seconds after which a message is given up that nobody sends: another process, which is down, may know its channel."""

LEASE = 60.0
"""Seconds for which a message is taken."""

_AT_ONCE = 20
_TOLD = (1, 4)
"""Failures of a message that are told before it is given up."""

Send = Callable[[Any], str | None]
"""Sends the message of a row; gives what a person should hear of one that was taken. Raises `Failed` for another."""


def messages(name: str, tables: sql.MetaData, *more: Any) -> sql.Table:
    """A table of messages, with the columns that tell what they are; times are seconds since 1970."""
    return sql.Table(
        name,
        tables,
        sql.Column("id", sql.BigInteger().with_variant(sql.Integer(), "sqlite"), primary_key=True),
        sql.Column("channel", sql.String(100), nullable=False),
        sql.Column("state", sql.String(8), nullable=False, default=WAITING, index=True),
        sql.Column("made", sql.Float, nullable=False),
        sql.Column("due", sql.Float, nullable=False),
        sql.Column("tries", sql.Integer, nullable=False, default=0),
        sql.Column("holder", sql.String(350)),
        sql.Column("until", sql.Float),  # when it is free again
        sql.Column("error", sql.Text),
        sql.Column("sent", sql.Float),
        *more,
        sqlite_autoincrement=True,
    )


@dataclass
class Outbox:
    """Sends what is due; may be asked from several threads and processes.

    - `channels`: how the messages of each are sent; `called`: what one is called in sentences.
    - `advice`: how a person has those that were given up sent again; `wanted`: which are to be sent at all.
    - `lease`: seconds for which a message is taken; longer than sending one can take.
    - `say` hears of failures, and of a channel that takes messages again.
    """

    database: Database
    table: sql.Table
    channels: Mapping[str, Send]
    called: Callable[[Any], str]
    advice: str
    wanted: Any = None
    tries: int = TRIES
    first_wait: float = FIRST_WAIT
    lease: float = LEASE
    say: Callable[[str], object] = print
    clock: Callable[[sql.Connection], float] = Database.clock
    chance: Callable[[], float] = random.random
    holder: str = field(default_factory=lambda: f"{uuid.uuid4().hex[:12]} {this_process()}")
    _sent: list[Any] = field(default_factory=list, repr=False)
    _marking: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def send_due(self) -> int:
        """Send what is due, the oldest first, but not too many at once; gives how many were taken."""
        self._mark_sent()
        taken = 0
        for _ in range(_AT_ONCE):
            row = self._taken()
            if row is None:
                break
            taken += self._send(row)
        return taken

    def _taken(self) -> Any:
        """The next message that is due, taken for a while; None where there is none."""
        told = self.table.c
        while True:
            with self.database.begin() as connection:
                now = self.clock(connection)
                # what lies further ahead than any wait was written before the clock was set back
                due = (told.due <= now) | (told.due > now + 2 * LONGEST_WAIT)
                free = told.until.is_(None) | (told.until < now) | (told.until > now + 2 * self.lease)
                ready = (told.state == WAITING) & due & free & told.channel.in_(list(self.channels))
                asked = sql.select(self.table).where(ready if self.wanted is None else ready & self.wanted)
                row = connection.execute(asked.order_by(told.due, told.id).limit(1)).one_or_none()
                if row is None:
                    return None
                update = self.table.update().where((told.id == row.id) & ready)
                held = update.values(holder=self.holder, until=now + self.lease, tries=row.tries + 1)
                if connection.execute(held).rowcount == 1:  # else another process was quicker
                    return row

    def _send(self, row: Any) -> bool:
        try:
            said = self.channels[row.channel](row)
        except Unreachable:
            raise
        except Failed as failed:
            self._failed(row, failed)
            return False
        except Exception as error:  # what it says may hold a text
            self._failed(row, Failed(f"{type(error).__name__} while it was written"))
            return False
        with self._marking:
            self._sent.append(row)
        if said:
            self.say(f"{self._told(row)}: {said}")
        self._mark_sent()
        return True

    def _mark_sent(self) -> None:
        """Mark what was taken; where the database is away, as soon as it is there, before anything else is sent."""
        with self._marking:
            while self._sent:
                row = self._sent[0]
                with self.database.begin() as connection:
                    self._noted(connection, row, state=SENT, sent=self.clock(connection), error=None, until=None)
                self._sent.pop(0)
                if row.tries:
                    self.say(f"{row.channel}: takes messages again")

    def _failed(self, row: Any, failed: Failed) -> None:
        tries = row.tries + 1
        wait = max(pause(tries, self.first_wait, self.chance), min(failed.after or 0.0, LONGEST_WAIT))
        state = FAILED if tries >= self.tries else WAITING
        with self.database.begin() as connection:
            due = self.clock(connection) + wait
            if not self._noted(connection, row, state=state, error=str(failed), due=due, until=None):
                return
        if state == FAILED:
            told = f"could not be sent in {tries} tries ({failed}); it is given up, and sent again with: {self.advice}"
            self.say(f"{self._told(row)} {told}")
        elif tries in _TOLD:
            self.say(f"{self._told(row)} was not taken ({failed}); it is tried again")

    def _told(self, row: Any) -> str:
        return f"{row.channel}: {self.called(row)}"

    def _noted(self, connection: sql.Connection, row: Any, **values: Any) -> bool:
        """Note what has come of a try; not where it took longer than the lease, and there was another by now."""
        told = self.table.c
        own = (told.id == row.id) & (told.holder == self.holder) & (told.tries == row.tries + 1)
        update = self.table.update().where(own & (told.state == WAITING))
        return connection.execute(update.values(**values)).rowcount == 1


def take_over(connection: sql.Connection, former: str, table: sql.Table, told: Mapping[str, Any]) -> None:
    """Move the messages of an earlier version out of the table `former`, which is dropped; nothing without one.

    `told` are its columns, or values, by the columns of the table; nobody holds what was moved. A server of that
    version which still runs misses its table and says so, rather than that two send the same.
    """
    if not sql.inspect(connection).has_table(former):
        return
    asked = sql.select(*told.values()).select_from(sql.table(former))
    connection.execute(table.insert().from_select([*told], asked))
    sql.Table(former, sql.MetaData()).drop(connection)


def again(database: Database, table: sql.Table, *which: Any) -> int:
    """Try messages once more that were given up, all or `which`; gives how many there are."""
    with database.begin() as connection:
        wanted, now = table.update().where(table.c.state == FAILED, *which), database.clock(connection)
        return connection.execute(wanted.values(state=WAITING, tries=0, due=now, until=None)).rowcount


def give_up_gone(database: Database, table: sql.Table, channels: Collection[str]) -> dict[str, int]:
    """Give up messages that wait for a channel of another name than these; gives how many by channel.

    Only those that nobody has sent for long.
    """
    told = table.c
    with database.begin() as connection:
        now = Database.clock(connection)
        old = (told.state == WAITING) & (told.due < now - GONE) & (sql.func.coalesce(told.until, 0.0) < now)
        gone = old & told.channel.not_in(list(channels))
        asked = sql.select(told.channel, sql.func.count()).where(gone).group_by(told.channel)
        found = {str(channel): int(count) for channel, count in connection.execute(asked)}
        error = str(Failed("there is no channel of this name any more"))
        connection.execute(table.update().where(gone).values(state=FAILED, error=error))
    return found


def counts(connection: sql.Connection, table: sql.Table, *which: Any) -> dict[str, int]:
    """How many messages are in each state, of all or of `which`."""
    asked = sql.select(table.c.state, sql.func.count()).where(*which).group_by(table.c.state)
    return dict.fromkeys(STATES, 0) | {str(state): int(count) for state, count in connection.execute(asked)}


def pause(tries: int, first: float = FIRST_WAIT, chance: Callable[[], float] = random.random) -> float:
    """Seconds until the next try: doubled each time, and by chance up to a quarter shorter or longer."""
    return float(min(LONGEST_WAIT, first * 2.0 ** min(tries - 1, 60)) * (0.75 + 0.5 * chance()))
