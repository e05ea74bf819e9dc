"""What was handed over waits until that is dealt with which was last asked, and can be handed over at any time."""

import pytest

from danlu.apps.assistant.assistant import Assistant
from danlu.apps.assistant.conversations import Patience
from danlu.apps.assistant.handing_over import done, waiting
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
