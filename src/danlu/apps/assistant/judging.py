"""What people say of answers: right, wrong, or what would have been right.

Who keeps the assistant is believed at once: what they say changes what is answered next, and is learnt from by the next
version. What customers say is kept and shown to these people, and changes nothing by itself, for anybody may say it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danlu.apps.assistant.conversations import PERSON as HANDED_OVER
from danlu.apps.assistant.conversations import WRITTEN, Turn, turn_of
from danlu.apps.assistant.folding import name_of, plain
from danlu.apps.assistant.store import PERSON, Kept, Phrase, add_entry, add_phrase, phrase_id
from danlu.apps.assistant.tickets import LONGEST_ANSWER, shown
from danlu.apps.assistant.writing import unmarked
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

RIGHT, WRONG, CORRECTED = "right", "wrong", "corrected"
CUSTOMER = ""
"""Who says it, where a customer does: no key has an empty name."""


@dataclass(frozen=True)
class Judgement:
    """What was said of a turn: the `judged` entry, the `entry` that is right, and the question of it that was added."""

    id: int
    time: float
    turn: str
    question: str
    verdict: str
    judged: str | None
    entry: str | None
    phrase: str | None
    caller: str | None


@dataclass(frozen=True)
class Changed:
    """What a judgement has changed: answers and questions that are new, or no longer offered."""

    number: int
    entries: tuple[Kept, ...] = ()
    phrases: tuple[Phrase, ...] = ()


def judge(
    connection: "Connection", name: str, verdict: str, answer: str | None, caller: str | None, now: float
) -> Changed:
    """Keep what somebody says of a turn, and what follows from it, in one transaction.

    `answer` is the right one, for 'corrected'; `caller` is `CUSTOMER`, or a name of who keeps the assistant.

    Raises:
        Refusal: there is no such turn, or the verdict does not fit it.
    """
    from danlu.apps.assistant.tables import HANDOVERS, JUDGEMENTS

    turn = turn_of(connection, name)
    answer = _checked(turn, verdict, answer, caller)
    entries: tuple[Kept, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    right: str | None = None
    if caller != CUSTOMER:
        if verdict in (RIGHT, CORRECTED):
            kept, new = _entry(connection, turn, verdict, answer)
            right, entries = kept, new
            phrases = (add_phrase(connection, kept, turn.sought, PERSON),)
        for entry in dict.fromkeys((turn.entry, *_said_before(connection, turn))):
            if entry is not None and entry != right:
                phrases += _taken_back(connection, entry, turn.sought)
        if verdict == CORRECTED:
            connection.execute(HANDOVERS.update().where(HANDOVERS.c.turn == turn.id).values(done=True))
    row = {
        "time": now,
        "turn": turn.id,
        "question": turn.sought,
        "verdict": verdict,
        "judged": turn.entry,
        "entry": right,
        "phrase": phrases[0].id if right else None,
        "caller": caller,
    }
    if caller == CUSTOMER:  # anybody may click as often as they like, so one row of a turn is all that is kept
        there = connection.execute(JUDGEMENTS.select().where(JUDGEMENTS.c.turn == turn.id, _by(customers=True))).first()
        if there is not None:
            connection.execute(JUDGEMENTS.update().where(JUDGEMENTS.c.id == there.id).values(row))
            return Changed(int(there.id))
    made = connection.execute(JUDGEMENTS.insert().values(row)).inserted_primary_key
    return Changed(int(made[0]) if made else 0, entries, phrases)


def judgements(
    connection: "Connection", customers: bool = False, turns: Collection[str] | None = None
) -> list[Judgement]:
    """The last thing that was said of each turn, or of `turns` alone: by who keeps the assistant, or by customers.

    They are in order.
    """
    from danlu.apps.assistant.tables import JUDGEMENTS

    asked = JUDGEMENTS.select().where(_by(customers)).order_by(JUDGEMENTS.c.id)
    found: dict[str, Judgement] = {}
    for row in connection.execute(asked if turns is None else asked.where(JUDGEMENTS.c.turn.in_([*turns]))):
        found.pop(row.turn, None)
        found[row.turn] = Judgement(*row)
    return list(found.values())


def last_number(connection: "Connection") -> int:
    """The number of what who keeps the assistant has said last; 0 where nothing was said."""
    import sqlalchemy as sql

    from danlu.apps.assistant.tables import JUDGEMENTS

    return int(connection.execute(sql.select(sql.func.max(JUDGEMENTS.c.id)).where(_by(customers=False))).scalar() or 0)


def rejected(connection: "Connection", turns: Collection[str]) -> int:
    """How many answers of these turns were called wrong, by whomever."""
    told = [each for customers in (True, False) for each in judgements(connection, customers, turns)]
    return len({each.turn for each in told if each.verdict != RIGHT})


def forget(connection: "Connection") -> None:
    """Remove what customers have said of turns that are there no more."""
    import sqlalchemy as sql

    from danlu.apps.assistant.tables import JUDGEMENTS, TURNS

    there = sql.select(TURNS.c.id).where(TURNS.c.id == JUDGEMENTS.c.turn).exists()
    connection.execute(JUDGEMENTS.delete().where(_by(customers=True), sql.not_(there)))


def _by(customers: bool) -> "ColumnElement[bool]":
    """Which judgements are those of customers, or of who keeps the assistant."""
    from danlu.apps.assistant.tables import JUDGEMENTS

    caller = JUDGEMENTS.c.caller
    return caller == CUSTOMER if customers else caller.is_distinct_from(CUSTOMER)


@dataclass(frozen=True)
class Wrong:
    """What was called wrong for a question, written as `plain`: `answers` that were given, and what was `written`."""

    answers: dict[str, frozenset[str]]
    written: frozenset[str]


def wrong(connection: "Connection") -> Wrong:
    """What who keeps the assistant has called wrong."""
    told = judgements(connection)
    return Wrong(wrong_answers(told), wrong_texts(told))


def wrong_texts(told: list[Judgement]) -> frozenset[str]:
    """The questions for which what is of no entry was called wrong, and no answer was told since."""
    found: set[str] = set()
    for each in told:
        if each.verdict == WRONG and each.judged is None:
            found.add(plain(each.question))
        elif each.entry is not None:
            found.discard(plain(each.question))
    return frozenset(found)


def wrong_answers(told: list[Judgement]) -> dict[str, frozenset[str]]:
    """The entries that were called wrong for a question, written as `plain`, by the last who judged."""
    found: dict[tuple[str, str], bool] = {}
    for each in told:
        if each.judged is not None:
            found[plain(each.question), each.judged] = each.entry != each.judged
        if each.entry is not None:
            found[plain(each.question), each.entry] = False
    gathered: dict[str, set[str]] = {}
    for (question, entry), wrong in found.items():
        if wrong:
            gathered.setdefault(question, set()).add(entry)
    return {question: frozenset(entries) for question, entries in gathered.items()}


def _checked(turn: Turn, verdict: str, given: str | None, caller: str | None) -> str:
    answer = shown(given or "")
    if verdict not in (RIGHT, WRONG, CORRECTED):
        raise Refusal(f"verdict '{verdict:.40}': expected {RIGHT}, {WRONG} or {CORRECTED}")
    if verdict == RIGHT and turn.kind == HANDED_OVER:
        raise Refusal(f"this question was handed over, so there is no answer to call right; give it with '{CORRECTED}'")
    if (verdict == CORRECTED) != bool(answer):
        raise Refusal(f"'answer' goes with the verdict '{CORRECTED}': what would have been right")
    if verdict == CORRECTED and caller == CUSTOMER:
        raise Refusal("who asks may say that an answer was right or wrong; answers are written by who keeps this")
    if len(answer) > LONGEST_ANSWER:
        raise Refusal(f"the answer has {len(answer):,} characters, and {LONGEST_ANSWER:,} are kept; shorten it")
    return answer


def _entry(connection: "Connection", turn: Turn, verdict: str, answer: str) -> tuple[str, tuple[Kept, ...]]:
    """The entry that is right, and it again if it is new."""
    from danlu.apps.assistant.tables import ENTRIES

    if verdict == RIGHT and turn.entry is not None and _is_kept(connection, turn.entry):
        return turn.entry, ()
    text = answer or (unmarked(turn.answer) if turn.kind == WRITTEN else turn.answer)
    wanted = plain(text)
    for row in connection.execute(ENTRIES.select().order_by(ENTRIES.c.id)):
        if plain(row.answer) == wanted:
            return str(row.id), ()
    name = name_of(text)
    add_entry(connection, name, text, "", 1, PERSON)
    return name, (Kept(name, text, "", 1, PERSON),)


def _is_kept(connection: "Connection", entry: str) -> bool:
    """Whether an answer was not forgotten since it was given."""
    from danlu.apps.assistant.tables import ENTRIES

    return connection.execute(ENTRIES.select().where(ENTRIES.c.id == entry)).first() is not None


def _said_before(connection: "Connection", turn: Turn) -> list[str]:
    """The entries that were said to be right before, by who keeps the assistant: the last word counts."""
    from danlu.apps.assistant.tables import JUDGEMENTS

    asked = JUDGEMENTS.select().where(JUDGEMENTS.c.turn == turn.id, _by(customers=False))
    return [str(row.entry) for row in connection.execute(asked) if row.entry is not None]


def _taken_back(connection: "Connection", entry: str, question: str) -> tuple[Phrase, ...]:
    """Let a question no longer lead to an answer, where a person alone has said that it does."""
    from danlu.apps.assistant.tables import PHRASES

    name = phrase_id(entry, question)
    row = connection.execute(PHRASES.select().where(PHRASES.c.id == name, PHRASES.c.source == PERSON)).first()
    if row is None:
        return ()
    connection.execute(PHRASES.update().where(PHRASES.c.id == name).values(offered=False))
    return (Phrase(row.id, row.entry, row.text, row.source, offered=False),)
