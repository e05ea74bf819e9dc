"""What is to be sent to a webhook: kept until it was taken, or until it is told that it could not be.

What is sent carries the same `Idempotency-Key` however often it is sent, so a receiver that knows the header takes it
once, even if this process was killed between the sending and the noting of it.
"""

import json
import random
import secrets
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from danlu.machine.remote import shown
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from danlu.apps.assistant.store import Store

WAITING, SENT, GIVEN_UP = "waiting", "sent", "given_up"
TRIES = 24
"""After which it is told and not tried again by itself: with these pauses after about a day."""
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 7200.0
"""Seconds after the first failure, each further one twice as long up to the longest."""
LEASE = 60.0
"""Seconds for which a sender holds what it sends, so that no other sends it too."""
SECONDS = 10.0
"""That a webhook may take."""
AT_ONCE = 20


@dataclass(frozen=True)
class Webhook:
    """Where it is sent: an address of http or https. Its path may be a secret, and is told nowhere."""

    url: str = field(repr=False)
    seconds: float = SECONDS

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        try:
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            good = False
        if not good or not self.url.isascii() or not self.url.isprintable() or " " in self.url:
            raise Refusal("--webhook: expected an address such as https://desk.example/hook")

    @property
    def told(self) -> str:
        """Its machine, for messages."""
        parts = urlsplit(shown(self.url))
        return f"{parts.scheme}://{parts.netloc}"

    def post(self, body: bytes, key: str) -> None:
        """Send it; a redirect is not followed.

        Raises:
            OSError, HTTPException: it was not taken.
        """
        parts = urlsplit(self.url)
        connection: HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection = HTTPSConnection(str(parts.hostname), parts.port, timeout=self.seconds, context=context)
        else:
            connection = HTTPConnection(str(parts.hostname), parts.port, timeout=self.seconds)
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, "User-Agent": "danlu"}
        try:
            connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
            status = connection.getresponse().status
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise OSError(f"status {status}")


def put(connection: "Connection", body: dict[str, Any], now: float, handover: str | None = None) -> str:
    """Keep what is to be sent, in the transaction that makes it so; gives its key.

    It is not sent any more once a person has dealt with the `handover` that it tells of.
    """
    from danlu.apps.assistant.tables import OUTBOX

    key = secrets.token_hex(16)
    row = {"key": key, "handover": handover, "made": now, "due": now, "tries": 0, "state": WAITING, "held": 0.0}
    connection.execute(OUTBOX.insert().values(**row, body=json.dumps(body | {"key": key}, ensure_ascii=False)))
    return key


def send_due(store: "Store", webhook: Webhook, now: Callable[[], float], say: Callable[[str], object]) -> int:
    """Send what is due, oldest first, each to its end before the next; gives how many were taken.

    `say` is told once of each that is given up; it stays in the database, and `again` sends it anew.
    """
    holder, sent = secrets.token_hex(8), 0
    for _ in range(AT_ONCE):
        row = _held(store, holder, now())
        if row is None:
            break
        try:
            webhook.post(row.body.encode(), row.key)
        except (OSError, HTTPException, ValueError) as error:
            why = f"{type(error).__name__}: {error}"[:200]
            if _failed(store, row.key, holder, row.tries + 1, why, now()):
                say(
                    f"webhook {webhook.told}: {row.key} was not taken in {TRIES} tries ({why}); it is kept, and sent "
                    "again with: danlu app assistant send-again"
                )
        else:
            _noted(store, row.key, holder, {"state": SENT, "why": None, "tries": row.tries + 1, "held": 0.0})
            sent += 1
    return sent


def again(store: "Store", now: float) -> int:
    """Let all that was given up be sent anew, under the keys that it had; gives how many."""
    from danlu.apps.assistant.tables import OUTBOX

    with store.begin() as connection:
        changed = {"state": WAITING, "due": now, "tries": 0, "held": 0.0}
        return connection.execute(OUTBOX.update().where(OUTBOX.c.state == GIVEN_UP).values(changed)).rowcount


def counts(connection: "Connection", states: Sequence[str] = (WAITING, SENT, GIVEN_UP)) -> dict[str, int]:
    """How many are in each of the states; what a person has dealt with waits no more."""
    import sqlalchemy as sql

    from danlu.apps.assistant.tables import OUTBOX

    asked = sql.select(OUTBOX.c.state, sql.func.count()).where(OUTBOX.c.state.in_(states)).group_by(OUTBOX.c.state)
    found = connection.execute(asked.where(sql.or_(OUTBOX.c.state == SENT, _wanted())))
    return dict.fromkeys(states, 0) | {str(state): int(count) for state, count in found}


def forget(connection: "Connection", before: float) -> int:
    """Remove what was made before a time and was sent, or is not to be sent any more; gives how many."""
    import sqlalchemy as sql

    from danlu.apps.assistant.tables import OUTBOX

    over = sql.or_(OUTBOX.c.state == SENT, sql.not_(_wanted()))
    return connection.execute(OUTBOX.delete().where(OUTBOX.c.made < before, over)).rowcount


def pause(tries: int, chance: Callable[[], float] = random.random) -> float:
    """Seconds until the next try: doubled each time, and by chance up to a quarter shorter or longer."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (tries - 1)) * (0.75 + 0.5 * chance()))


def _wanted() -> "ColumnElement[bool]":
    """Which tell of something that a person has not dealt with."""
    import sqlalchemy as sql

    from danlu.apps.assistant.tables import HANDOVERS, OUTBOX

    waits = sql.select(HANDOVERS.c.id).where(HANDOVERS.c.id == OUTBOX.c.handover, HANDOVERS.c.done.is_(False))
    return sql.or_(OUTBOX.c.handover.is_(None), waits.exists())


def _held(store: "Store", holder: str, now: float) -> Any:
    """Take the next that is due for this sender alone; what another held and let go of by dying is taken too."""
    import sqlalchemy as sql

    from danlu.apps.assistant.tables import OUTBOX

    far = now + 2 * LONGEST_PAUSE  # only a clock that was set back makes it due as late
    free = sql.or_(OUTBOX.c.held < now, OUTBOX.c.held > now + 2 * LEASE)
    due = sql.or_(OUTBOX.c.due <= now, OUTBOX.c.due > far)
    with store.begin() as connection:
        asked = OUTBOX.select().where(OUTBOX.c.state == WAITING, due, free, _wanted())
        asked = asked.order_by(OUTBOX.c.due, OUTBOX.c.key).limit(1)
        row = connection.execute(asked.with_for_update(skip_locked=True)).first()
        if row is not None:
            held = {"holder": holder, "held": now + LEASE}
            connection.execute(OUTBOX.update().where(OUTBOX.c.key == row.key).values(held))
    return row


def _failed(store: "Store", key: str, holder: str, tries: int, why: str, now: float) -> bool:
    """Note a failure; whether it was the last."""
    over = tries >= TRIES
    changed = {"state": GIVEN_UP if over else WAITING, "why": why, "tries": tries, "due": now + pause(tries)}
    return _noted(store, key, holder, changed | {"held": 0.0}) and over


def _noted(store: "Store", key: str, holder: str, changed: dict[str, Any]) -> bool:
    """Note what has come of a try; not where it took longer than the lease, and another sender has it by now."""
    from danlu.apps.assistant.tables import OUTBOX

    own = (OUTBOX.c.key == key, OUTBOX.c.holder == holder, OUTBOX.c.state == WAITING)
    with store.begin() as connection:
        return connection.execute(OUTBOX.update().where(*own).values(changed)).rowcount > 0
