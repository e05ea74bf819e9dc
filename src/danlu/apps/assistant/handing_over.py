"""A conversation handed over to a person: what the person should know of it."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from danlu.apps.assistant.conversations import PERSON, Session, Turn, new_id
from danlu.apps.assistant.outbox import put
from danlu.apps.assistant.words import said
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from sqlalchemy import Connection

TURNS, SHORT = 20, 500
"""Turns that a summary holds, and characters of each text."""


def hand_over(connection: "Connection", session: Session, summary: dict[str, Any], turn: str, now: float) -> str:
    """Keep that a person is wanted, and what is to be sent; gives the name of the handing over.

    A conversation is handed over once; what is asked after that is sent as more of the same.
    """
    from danlu.apps.assistant.tables import HANDOVERS

    first = session.handover is None
    name = session.handover or new_id()
    if first:
        row = {"id": name, "time": now, "session": session.id, "turn": turn, "done": False}
        connection.execute(HANDOVERS.insert().values(**row, summary=json.dumps(summary, ensure_ascii=False)))
    else:
        changed = {"turn": turn, "done": False, "summary": json.dumps(summary, ensure_ascii=False)}
        connection.execute(HANDOVERS.update().where(HANDOVERS.c.id == name).values(changed))
    body = {"event": "handover" if first else "more", "handover": name, "time": now, "summary": summary}
    put(connection, body, now, name)
    return name


def waiting(connection: "Connection", most: int = 200) -> list[dict[str, Any]]:
    """What was handed over and is not done, the newest first: what nobody will deal with any more hides none of it."""
    from danlu.apps.assistant.tables import HANDOVERS

    asked = HANDOVERS.select().where(HANDOVERS.c.done.is_(False)).order_by(HANDOVERS.c.time.desc()).limit(most)
    return [dict(row._mapping) | {"summary": json.loads(row.summary)} for row in connection.execute(asked)]


def count_waiting(connection: "Connection") -> int:
    """How much was handed over and is not done."""
    import sqlalchemy as sql

    from danlu.apps.assistant.tables import HANDOVERS

    asked = sql.select(sql.func.count(HANDOVERS.c.id)).where(HANDOVERS.c.done.is_(False))
    return int(connection.execute(asked).scalar_one())


def done(connection: "Connection", name: str, turn: str) -> None:
    """Note that a person has dealt with what was handed over, of which `turn` was the last that they saw.

    Raises:
        Refusal: there is none of this name, or the customer has asked more since.
    """
    from danlu.apps.assistant.tables import HANDOVERS

    this = HANDOVERS.c.id == name
    if connection.execute(HANDOVERS.update().where(this, HANDOVERS.c.turn == turn).values(done=True)).rowcount:
        return
    if connection.execute(HANDOVERS.select().where(this)).first() is None:
        raise Refusal("nothing of this name was handed over; give the 'id' of what waits")
    raise Refusal("the customer has asked more since this 'turn', so it still waits; look at what was added first")


def summary(
    turns: Sequence[Turn],
    question: str,
    why: str,
    language: str,
    intent: str,
    rejected: int,
    nearest: list[dict[str, Any]],
) -> dict[str, Any]:
    """What a person should know: what was asked and answered, in order and in a few sentences.

    - `why`: 'unsure', or 'asked' where the customer wanted a person.
    """
    answered = sum(turn.kind != PERSON for turn in turns)
    text = [said("summary", language, turns=len(turns) + 1, answered=answered, question=_short(question))]
    if intent:
        text.append(said("about", language, intent=intent))
    if turns:
        asked = " / ".join(_short(turn.question, 100) for turn in turns[-5:])
        text.append(said("before", language, questions=asked))
    if rejected:
        text.append(said("rejected", language, count=rejected))
    if nearest:
        text.append(said("nearest", language, answer=_short(nearest[0]["answer"], 200)))
    return {
        "text": "\n".join(text),
        "question": question,
        "why": why,
        "language": language,
        "intent": intent,
        "turns": [
            {"question": _short(turn.question), "kind": turn.kind, "answer": _short(turn.answer)}
            for turn in turns[-TURNS:]
        ],
        "nearest": nearest,
    }


def _short(text: str, most: int = SHORT) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
