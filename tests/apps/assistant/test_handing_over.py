"""What was handed over waits until that is dealt with which was last asked, and can be handed over at any time."""

import json
from typing import Any

import pytest

from danlu.apps.assistant import judging, outbox, routes
from danlu.apps.assistant.assistant import Assistant
from danlu.apps.assistant.conversations import Patience, forget
from danlu.apps.assistant.handing_over import done, waiting
from danlu.apps.assistant.tables import HANDOVERS, JUDGEMENTS, META, OUTBOX, SESSIONS, TURNS
from danlu.refusal import Refusal

UNKNOWN, MORE = "Who won the football match yesterday?", "And who won the race in Vienna?"


def handed(assistant: Assistant) -> list[dict[str, object]]:
    with assistant.store.begin() as connection:
        return waiting(connection)


def test_a_correction_closes_what_waits_for_its_own_turn_alone(assistant: Assistant) -> None:
    given = assistant.ask("How do I reset my password?")
    first = assistant.ask(UNKNOWN, given.session)
    for turn in (given.turn, first.turn):
        last = assistant.ask(MORE, given.session)
        assistant.judge(turn, "corrected", f"Right for {turn}.", "desk")
        (found,) = handed(assistant)
        assert found["turn"] == last.turn
    assistant.judge(last.turn, "corrected", "Nobody.", "desk")
    assert handed(assistant) == []


def test_what_was_added_unseen_is_not_done_with_what_was_seen(assistant: Assistant) -> None:
    session = assistant.ask(UNKNOWN).session
    (seen,) = handed(assistant)
    assistant.ask(MORE, session)
    with assistant.store.begin() as connection:
        with pytest.raises(Refusal, match="the customer has asked more since"):
            done(connection, str(seen["id"]), str(seen["turn"]))
        (now,) = waiting(connection)
        done(connection, str(now["id"]), str(now["turn"]))
        assert waiting(connection) == []


def test_the_newest_of_what_waits_are_told_and_how_many_there_are(
    assistant: Assistant, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "LIST", 2)
    assistant.now = clock
    turns = []
    for _ in range(3):
        turns.append(assistant.ask(UNKNOWN).turn)
        clock.time += 1
    told = routes.told(assistant, webhook=False)
    assert [each["turn"] for each in told["waiting"]] == [turns[2], turns[1]]
    assert told["waits"] == 3


def test_a_conversation_that_is_over_can_still_be_handed_over(assistant: Assistant, clock) -> None:
    assistant.now, assistant.patience = clock, Patience(seconds=60, turns=2)
    silent = assistant.ask("How do I reset my password?").session
    full = assistant.ask("How do I reset my password?").session
    assistant.ask(UNKNOWN, full)
    clock.time += 61
    for session in (silent, full):
        answer = assistant.person(session)
        assert (answer.session, answer.begun, answer.kind) == (session, False, "person")
    found = {each["session"]: each for each in handed(assistant)}
    assert set(found) == {silent, full}
    assert found[silent]["summary"]["why"] == "asked"
    assert [turn["question"] for turn in found[full]["summary"]["turns"]] == ["How do I reset my password?", UNKNOWN]
    assert assistant.ask(MORE, full).begun  # only a person goes on with what is full


def test_what_is_done_is_not_sent_later_unless_the_customer_asks_more(
    assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted: list[tuple[str, str]] = []

    def send(_self: object, row: Any) -> None:
        told = json.loads(row.body)
        posted.append((told["event"], told["summary"]["question"]))

    monkeypatch.setattr(outbox.Webhook, "send", send)
    box = outbox.outbox_of(assistant.store, outbox.Webhook("http://127.0.0.1:1/"), pytest.fail)
    session = assistant.ask(UNKNOWN).session
    (found,) = handed(assistant)
    with assistant.store.begin() as connection:
        assert outbox.counts(connection) == {"waiting": 1, "sent": 0, "failed": 0}
        done(connection, str(found["id"]), str(found["turn"]))
        assert outbox.counts(connection) == {"waiting": 0, "sent": 0, "failed": 0}
    assistant.ask("Do you sell boats?")
    assert box.send_due() == 1
    assert posted.pop() == ("handover", "Do you sell boats?")
    assistant.ask(MORE, session)
    assert box.send_due() == 2
    assert posted == [("handover", UNKNOWN), ("more", MORE)]


def test_nothing_of_a_conversation_is_kept_for_longer_than_it(assistant: Assistant, clock) -> None:
    assistant.now, assistant.patience = clock, Patience(days=1)
    secret, waits = "My number is 4711, who won in Rome?", "Who won in Oslo?"
    first = assistant.ask(secret)
    assistant.judge(first.turn, "wrong", None, judging.CUSTOMER)
    assistant.ask(waits)
    found = next(each for each in handed(assistant) if each["turn"] == first.turn)
    with assistant.store.begin() as connection:
        done(connection, str(found["id"]), first.turn)
        connection.execute(OUTBOX.update().where(OUTBOX.c.body.contains("Oslo")).values(state="sent"))
    clock.time += 86_300
    late = assistant.ask("Who won in Kyoto?", None)
    clock.time += 200
    with assistant.store.begin() as connection:
        assert forget(connection, clock(), assistant.patience) == 2
        held = {table.name: str(connection.execute(table.select()).all()) for table in META.sorted_tables}
        assert [name for name, rows in held.items() if "4711" in rows] == []
        assert [name for name, rows in held.items() if "Oslo" in rows] == [HANDOVERS.name]
        assert {name for name, rows in held.items() if "Kyoto" in rows} == {HANDOVERS.name, OUTBOX.name, TURNS.name}
        assert late.session in held[SESSIONS.name]
        assert connection.execute(JUDGEMENTS.select()).all() == []
        (found,) = [each for each in waiting(connection) if each["turn"] != late.turn]
        done(connection, str(found["id"]), str(found["turn"]))
        forget(connection, clock(), assistant.patience)
        assert [each["turn"] for each in waiting(connection)] == [late.turn]
        assert "Oslo" not in str(connection.execute(HANDOVERS.select()).all())
