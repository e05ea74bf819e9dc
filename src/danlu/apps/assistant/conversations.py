"""Conversations: kept turn by turn, limited, and over after some time of silence."""

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from danlu.refusal import Refusal

if TYPE_CHECKING:
    from sqlalchemy import Connection

PAST, WRITTEN, PERSON = "past", "written", "person"
"""How a question was answered: by the answer of a past ticket, by a text made of several, or by handing over."""


@dataclass(frozen=True)
class Patience:
    """How long a conversation goes on: `seconds` of silence, `turns`, and `days` for which it is kept after that."""

    seconds: float = 1800.0
    turns: int = 50
    days: float = 90.0


@dataclass(frozen=True)
class Session:
    """A conversation; `handover`: the id of the handing over, if a person was told of it."""

    id: str
    begun: float
    seen: float
    turns: int
    language: str
    handover: str | None


@dataclass(frozen=True)
class Turn:
    """A question and what was answered; `sought` is the question with what it goes on from."""

    id: str
    session: str
    number: int
    time: float
    question: str
    sought: str
    kind: str
    entry: str | None
    answer: str
    sure: float
    version: int
    nearest: list[dict[str, Any]]


def new_id() -> str:
    """A name that nobody guesses: 144 random bits."""
    return secrets.token_urlsafe(18)


def session_of(
    connection: "Connection", name: str | None, now: float, patience: Patience, language: str, *, over: bool = False
) -> tuple[Session, bool]:
    """The conversation of a name, and whether it is a new one, as where there is none, or it is over.

    A clock that was set back ends none; with `over` nothing does, and it is gone on with.
    """
    from danlu.apps.assistant.tables import SESSIONS

    if name:
        this = SESSIONS.select().where(SESSIONS.c.id == name).with_for_update()  # two turns at once are counted in turn
        row = connection.execute(this).first()
        goes_on = row is not None and now - row.seen <= patience.seconds and row.turns < patience.turns
        if row is not None and (over or goes_on):
            return Session(*row), False
    session = Session(new_id(), now, now, 0, language, None)
    connection.execute(SESSIONS.insert().values(**vars(session)))
    return session, True


def turns_of(connection: "Connection", session: str, last: int = 1000) -> list[Turn]:
    """The last turns of a conversation, in order."""
    from danlu.apps.assistant.tables import TURNS

    asked = TURNS.select().where(TURNS.c.session == session).order_by(TURNS.c.number.desc()).limit(last)
    return [_turn(row) for row in reversed(connection.execute(asked).all())]


def turn_of(connection: "Connection", name: str) -> Turn:
    """A turn by its name.

    Raises:
        Refusal: there is none.
    """
    from danlu.apps.assistant.tables import TURNS

    row = connection.execute(TURNS.select().where(TURNS.c.id == name)).first()
    if row is None:
        raise Refusal("there is no such turn; give the 'turn' of an answer")
    return _turn(row)


def add_turn(connection: "Connection", session: Session, turn: Turn, handover: str | None) -> None:
    """Keep a turn, and that the conversation goes on."""
    from danlu.apps.assistant.tables import SESSIONS, TURNS

    row = vars(turn) | {"nearest": json.dumps(turn.nearest, ensure_ascii=False)}
    connection.execute(TURNS.insert().values(row))
    changed = {"seen": turn.time, "turns": turn.number, "handover": handover}
    connection.execute(SESSIONS.update().where(SESSIONS.c.id == session.id).values(changed))


def forget(connection: "Connection", now: float, patience: Patience) -> int:
    """Remove conversations that nobody has gone on with for `days`, and what was kept of them elsewhere.

    What waits for a person stays until it is done, what a webhook has not taken until it is sent, and what who keeps
    the assistant has judged for good, for it is learnt from. Gives how many conversations.
    """
    import sqlalchemy as sql

    from danlu.apps.assistant import judging, outbox
    from danlu.apps.assistant.tables import HANDOVERS, SESSIONS, TURNS

    before = now - patience.days * 86_400
    old = sql.select(SESSIONS.c.id).where(SESSIONS.c.seen < before)
    connection.execute(TURNS.delete().where(TURNS.c.session.in_(old)))
    gone = connection.execute(SESSIONS.delete().where(SESSIONS.c.seen < before)).rowcount
    there = sql.select(SESSIONS.c.id).where(SESSIONS.c.id == HANDOVERS.c.session).exists()
    outbox.forget(connection, before)
    connection.execute(HANDOVERS.delete().where(HANDOVERS.c.done.is_(True), sql.not_(there)))
    judging.forget(connection)
    return gone


def _turn(row: Any) -> Turn:
    return Turn(**{**row._mapping, "nearest": json.loads(row.nearest)})
