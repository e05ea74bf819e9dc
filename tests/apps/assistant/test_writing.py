"""What a generator writes: numbers that belong to the text stay, and while it writes others are answered."""

from collections.abc import Callable
from dataclasses import replace
from threading import Thread

import pytest

from danlu.apps.assistant import versions
from danlu.apps.assistant.assistant import Assistant, Models
from danlu.apps.assistant.folding import Entry
from danlu.apps.assistant.handing_over import waiting
from danlu.apps.assistant.routes import _for_customers
from danlu.apps.assistant.store import TICKET, add_entry, add_phrase
from danlu.apps.assistant.writing import passages_of, unmarked
from danlu.apps.grounded import grounded

REFUND = "A refund reaches your card 3 to 5 working days after the parcel has come back to us."
ASKED = "working days after parcel back to card"


@pytest.fixture
def says(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], str]], Assistant]:
    """The assistant with a generator that says what a function gives."""

    def with_generator(text: Callable[[], str]) -> Assistant:
        monkeypatch.setattr(grounded, "written", lambda *_given: text())
        monkeypatch.setattr(grounded, "refuse_other_writers", lambda _bundle: None)
        assistant.models = Models(generator=object())  # type: ignore[arg-type]
        return assistant

    return with_generator


def test_answers_that_were_kept_several_times_leave_room_for_others(assistant: Assistant) -> None:
    with assistant.store.begin() as connection:
        for n in range(6):
            add_entry(connection, f"e{n}", "Zeppelins fly on Sundays.", f"{n}", 1, TICKET)
        add_entry(connection, "other", "A ticket for zeppelins that fly on any day costs 90 euros.", "", 1, TICKET)
        for entry in ("e0", "other"):
            add_phrase(connection, entry, "When do they fly?", TICKET)
    assistant.refresh()
    found = passages_of(assistant.finder, "zeppelins fly on Sundays", set(), 2)
    assert [each.document for each in found] == ["a:e0", "a:other"]


def test_a_question_longer_than_the_generator_takes_goes_to_a_person(says: Callable[..., Assistant]) -> None:
    assistant = says(lambda: REFUND)
    answer = assistant.ask(f"{ASKED} " + "and so on " * 300)
    assert answer.kind == "person"
    with assistant.store.begin() as connection:
        assert [each["turn"] for each in waiting(connection)] == [answer.turn]


def test_a_number_in_brackets_that_belongs_to_the_text_stays(says: Callable[..., Assistant]) -> None:
    text = "按照财税字[94]20号文件规定，个人转让住房免征个人所得税。"
    assistant = says(lambda: f"{text}[1]")
    assistant.store.add([Entry("e1", text, "", ("卖掉自己的房子",), 1)])
    assistant.refresh()
    answer = assistant.ask("个人转让住房免征")
    assert (answer.kind, answer.text) == ("written", f"{text}[1]")
    assert _for_customers(answer)["text"] == unmarked(answer.text) == text
    assistant.judge(answer.turn, "right", None, "desk")
    assert assistant.ask("个人转让住房免征").text == text


def test_while_it_writes_others_are_answered_and_another_version_may_begin(says: Callable[..., Assistant]) -> None:
    done: list[object] = []

    def meanwhile() -> None:
        with assistant.store.begin() as connection:
            versions.keep(connection, replace(assistant.version, number=2), serve=True)
        done.extend([assistant.refresh(), assistant.ask("怎么退货？").kind])

    def write() -> str:
        thread = Thread(target=meanwhile, daemon=True)
        thread.start()
        thread.join(30)
        return REFUND

    assistant = says(write)
    assert assistant.ask(ASKED).text == f"{REFUND}[1]"
    assert done == [True, "past"]
