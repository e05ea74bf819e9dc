"""What was handed over waits until that is dealt with which was last asked, and can be handed over at any time."""

import pytest

from danlu.apps.assistant.assistant import Assistant
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
