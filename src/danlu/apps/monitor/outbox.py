"""Messages that are to be sent: each is sent until it is taken, or has failed often enough to be told.

A message is a row for an alert and a channel, made in the transaction that makes the alert. It is taken by one process
for a while, sent, and marked as sent. A process that is killed between the last two leaves it to be sent once more, as
no one can know whether it was taken: by its key a webhook tells that, and a mail program by the Message-ID.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sql

from danlu.apps.monitor.channels.channel import SECONDS, Channel
from danlu.apps.monitor.message import message_of
from danlu.apps.monitor.queries import alert_of, texts_behind
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import OUTBOX
from danlu.apps.monitor.web import Failed

TRIES = 34
"""After which a message has failed: with the waits between them a day."""

FIRST_WAIT, LONGEST_WAIT = 5.0, 3600.0
"""Seconds between two tries, the first, and at most; each is twice the one before it."""


@dataclass
class Outbox:
    """Sends what is due.

    - `lease`: seconds for which a message is taken; longer than sending one can take.
    - `say` hears of failures, and of a channel that takes messages again.
    """

    store: Store
    channels: Mapping[str, Channel]
    language: str = "en"
    tries: int = TRIES
    first_wait: float = FIRST_WAIT
    lease: float = 3 * SECONDS
    say: Callable[[str], object] = print
    _sent: list[Any] = field(default_factory=list, repr=False)

    def send_due(self) -> int:
        """Send all that is due; gives how many messages were tried."""
        tried = 0
        self._mark_sent()
        while (row := self._taken()) is not None:
            tried += 1
            self._send(row)
        return tried

    def _taken(self) -> Any:
        """The next message that is due, taken for a while; None where there is none."""
        while True:
            with self.store.begin() as connection:
                now = self.store.clock(connection)
                # what lies further ahead than any wait was written before the clock was set back
                due = (OUTBOX.c.due <= now) | (OUTBOX.c.due > now + 2 * LONGEST_WAIT)
                free = OUTBOX.c.until.is_(None) | (OUTBOX.c.until < now) | (OUTBOX.c.until > now + 2 * self.lease)
                ready = (OUTBOX.c.state == "waiting") & due & free & OUTBOX.c.channel.in_(list(self.channels))
                row = connection.execute(sql.select(OUTBOX).where(ready).order_by(OUTBOX.c.id).limit(1)).one_or_none()
                if row is None:
                    return None
                taken = OUTBOX.update().where((OUTBOX.c.id == row.id) & ready)
                told = taken.values(holder=self.store.holder, until=now + self.lease, tries=row.tries + 1)
                if connection.execute(told).rowcount == 1:  # else another process was quicker
                    return row

    def _send(self, row: Any) -> None:
        try:
            with self.store.begin() as connection:
                alert = alert_of(connection, row.alert)
                texts = texts_behind(connection, alert, 5)
            said = self.channels[row.channel].send(message_of(alert, texts, self.language))
        except Failed as failed:
            self._failed(row, failed)
            return
        self._sent.append(row)
        if said:
            self.say(f"{row.channel}: alert {row.alert}: {said}")
        self._mark_sent()

    def _mark_sent(self) -> None:
        """Mark what was taken; where the database is away, as soon as it is there, before anything else is sent."""
        while self._sent:
            row = self._sent[0]
            with self.store.begin() as connection:
                self._mine(connection, row, state="sent", sent=self.store.clock(connection), error=None, until=None)
            self._sent.pop(0)
            if row.tries:
                self.say(f"{row.channel}: takes messages again")

    def _failed(self, row: Any, failed: Failed) -> None:
        tries = row.tries + 1
        over = tries >= self.tries
        wait = min(max(self.first_wait * 2 ** (tries - 1), failed.after or 0.0), LONGEST_WAIT)
        with self.store.begin() as connection:
            due = self.store.clock(connection) + wait
            state = "failed" if over else "waiting"
            self._mine(connection, row, state=state, error=str(failed), due=due, until=None)
        if over:
            self.say(f"{row.channel}: alert {row.alert} could not be sent in {tries} tries ({failed}); it is given up")
        elif tries in (1, 4):
            self.say(f"{row.channel}: alert {row.alert} was not taken ({failed}); it is tried again")

    def _mine(self, connection: sql.Connection, row: Any, **values: Any) -> None:
        own = (OUTBOX.c.id == row.id) & (OUTBOX.c.holder == self.store.holder) & (OUTBOX.c.state == "waiting")
        connection.execute(OUTBOX.update().where(own).values(**values))


def again(store: Store, alert: int | None = None) -> int:
    """Try messages once more that were given up, all or those of an alert; gives how many there are."""
    failed = OUTBOX.c.state == "failed"
    with store.begin() as connection:
        wanted = OUTBOX.update().where(failed if alert is None else failed & (OUTBOX.c.alert == alert))
        return int(connection.execute(wanted.values(state="waiting", tries=0, due=store.clock(connection))).rowcount)
