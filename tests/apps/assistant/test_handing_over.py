"""What was handed over waits until that is dealt with which was last asked, and can be handed over at any time."""

from danlu.apps.assistant.assistant import Assistant
from danlu.apps.assistant.handing_over import waiting

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
