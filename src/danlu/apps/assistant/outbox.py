"""What is to be sent to a webhook of a desk: the handings-over, until it has taken them."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from danlu.machine.database import Database
from danlu.machine.remote import shown
from danlu.machine.web import Failed, deliver, parts_of
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from danlu.apps.assistant.store import Store
    from danlu.apps.sending.outbox import Outbox

CHANNEL = "webhook"
ADVICE = "danlu app assistant send-again"
SECONDS = 10.0
"""That a webhook may take."""


@dataclass(frozen=True)
class Webhook:
    """Where it is sent: an address of http or https. Its path may be a secret, and is told nowhere."""

    url: str = field(repr=False)
    seconds: float = SECONDS

    def __post_init__(self) -> None:
        try:
            parts_of(self.url)
        except Failed:
            raise Refusal("--webhook: expected an address such as https://desk.example/hook") from None

    @property
    def told(self) -> str:
        """Its machine, for messages."""
        parts = urlsplit(shown(self.url))
        return f"{parts.scheme}://{parts.netloc}"

    def send(self, row: Any) -> None:
        """Post the message of a row; raises `Failed` where it was not taken."""
        deliver(self.url, json.loads(row.body), {"Idempotency-Key": row.key}, self.seconds)


def outbox_of(store: "Store", webhook: Webhook, say: Callable[[str], object]) -> "Outbox":
    """What sends to a webhook."""
    from danlu.apps.assistant.tables import OUTBOX
    from danlu.apps.sending.outbox import Outbox

    return Outbox(
        store,
        OUTBOX,
        {CHANNEL: webhook.send},
        called=lambda row: f"{row.key} for {webhook.told}",
        advice=ADVICE,
        wanted=_wanted(),
        say=say,
    )


def put(connection: "Connection", body: dict[str, Any], now: float, handover: str | None = None) -> str:
    """Keep what is to be sent from now on, in the transaction that makes it so; gives its key.

    When it is due is a time of the database's clock, by which several servers take turns. It is not sent any more once
    a person has dealt with the `handover` that it tells of.
    """
    from danlu.apps.assistant.tables import OUTBOX

    key = secrets.token_hex(16)
    due = Database.clock(connection)
    row = {"channel": CHANNEL, "key": key, "handover": handover, "made": now, "due": due}
    connection.execute(OUTBOX.insert().values(**row, body=json.dumps(body | {"key": key}, ensure_ascii=False)))
    return key


def again(store: "Store") -> int:
    """Let all that was given up be sent anew, under the keys that it had; gives how many."""
    from danlu.apps.assistant.tables import OUTBOX
    from danlu.apps.sending import outbox

    return outbox.again(store, OUTBOX)


def counts(connection: "Connection") -> dict[str, int]:
    """How many are in each state; what a person has dealt with waits no more."""
    from danlu.apps.assistant.tables import OUTBOX
    from danlu.apps.sending import outbox

    return outbox.counts(connection, OUTBOX, (OUTBOX.c.state == outbox.SENT) | _wanted())


def forget(connection: "Connection", before: float) -> int:
    """Remove what was made before a time and was sent, or is not to be sent any more; gives how many."""
    import sqlalchemy as sql

    from danlu.apps.assistant.tables import OUTBOX
    from danlu.apps.sending.outbox import SENT

    over = sql.or_(OUTBOX.c.state == SENT, sql.not_(_wanted()))
    return connection.execute(OUTBOX.delete().where(OUTBOX.c.made < before, over)).rowcount


def _wanted() -> "ColumnElement[bool]":
    """Which tell of something that a person has not dealt with."""
    import sqlalchemy as sql

    from danlu.apps.assistant.tables import HANDOVERS, OUTBOX

    waits = sql.select(HANDOVERS.c.id).where(HANDOVERS.c.id == OUTBOX.c.handover, HANDOVERS.c.done.is_(False))
    return sql.or_(OUTBOX.c.handover.is_(None), waits.exists())
