"""What customers say of answers: it costs the servers nothing, and leaves one row of each turn."""

import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.apps.assistant import judging
from danlu.apps.assistant.assistant import Assistant
from danlu.apps.assistant.finding import Finder
from danlu.apps.assistant.store import Store
from danlu.apps.assistant.tables import JUDGEMENTS, TURNS

CALLERS = (judging.CUSTOMER, "customer", "desk", None)  # the second is the name of a key
SAID = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(CALLERS), st.sampled_from(["right", "wrong"])))


def test_clicks_of_customers_reload_nothing(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    turn = assistant.ask("怎么退货？").turn
    assistant.refresh()
    with monkeypatch.context() as patch:
        for name in ("follow", "take"):
            patch.setattr(Finder, name, lambda *_given: pytest.fail("everything is read anew"))
        for verdict in ("wrong", "right", "wrong"):
            assistant.judge(turn, verdict, None, judging.CUSTOMER)
            assert not assistant.refresh()
    with Assistant(assistant.store, assistant.folder) as other:
        assistant.judge(turn, "right", None, "desk")
        assert not assistant.refresh()  # what it has done itself it knows
        assert other.refresh()


@settings(max_examples=15, deadline=None)
@given(SAID, st.sets(st.sampled_from("abcd")))
def test_the_last_said_of_each_turn_counts_and_of_customers_it_alone_is_kept(
    said: list[tuple[str, str | None, str]], asked: set[str]
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(f"sqlite:///{folder}/a.db") as store,
        store.begin() as connection,
    ):
        same = {"session": "s", "time": 0.0, "question": "q", "sought": "q", "kind": "past", "entry": "e"}
        same |= {"answer": "a", "sure": 1.0, "version": 1, "nearest": "[]"}
        connection.execute(TURNS.insert(), [same | {"id": name, "number": n} for n, name in enumerate("abc")])
        numbers = [judging.judge(connection, turn, verdict, None, by, 0.0).number for turn, by, verdict in said]
        for customers in (True, False):
            last = {turn: verdict for turn, by, verdict in said if (by == judging.CUSTOMER) == customers}
            found = judging.judgements(connection, customers)
            assert {each.turn: each.verdict for each in found} == last
            of_some = judging.judgements(connection, customers, asked)
            assert of_some == [each for each in found if each.turn in asked]
        desk = [number for number, (_, by, _) in zip(numbers, said, strict=True) if by != judging.CUSTOMER]
        assert judging.last_number(connection) == max(desk, default=0)
        kept = connection.execute(JUDGEMENTS.select().where(JUDGEMENTS.c.caller == judging.CUSTOMER)).all()
        assert len(kept) == len({row.turn for row in kept})
