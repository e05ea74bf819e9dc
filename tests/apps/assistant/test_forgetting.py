"""Answers that are removed are given no more, by no process and from no index."""

import hashlib
from pathlib import Path

import pytest
import sqlalchemy as sql

from danlu.apps.assistant.assistant import Assistant
from danlu.apps.assistant.folding import Entry
from danlu.apps.assistant.judging import judgements
from danlu.apps.assistant.opening import FILE, Columns, forget, opened
from danlu.apps.assistant.retraining import cases_of, examined
from danlu.apps.assistant.store import TICKET, Store, add_entry
from danlu.apps.assistant.tables import FORGOTTEN
from danlu.index.document import Document
from danlu.index.index import Index
from danlu.refusal import Refusal

RETURN = "How do I return an item?"


def held(assistant: Assistant) -> set[str]:
    with Index.open(assistant.finder.place) as index:
        return set(index.names())


@pytest.mark.parametrize("by", ["id", "text", "file"])
def test_an_answer_is_forgotten_with_its_questions_by_every_process(folder: Path, tmp_path: Path, by: str) -> None:
    said: list[str] = []
    with opened(folder) as assistant, opened(folder) as other:
        given = assistant.ask(RETURN)
        (tmp_path / "t.csv").write_text(f'ask,said\nanything,"{given.text}"\n')
        name = {"id": given.entry or "", "text": f" {given.text.upper()}", "file": str(tmp_path / "t.csv")}[by]
        forget(assistant, [name], Columns("ask", "said"), said.append)
        assert said == ["1 answers and 3 questions are forgotten; a file that holds them brings them back"]
        assert other.refresh()
        for each in (assistant, other):
            assert given.text not in [entry.answer for entry in each.finder.known.entries.values()]
            assert each.ask(RETURN).text != given.text
        assert f"a:{given.entry}" not in held(assistant)
        assert len(held(assistant)) == len(assistant.finder.known.entries) + len(assistant.finder.known.phrases)
        with pytest.raises(Refusal, match="there is no such file, and no answer of this id or text is known"):
            forget(assistant, [given.entry or ""], Columns(), said.append)


def test_html_of_an_earlier_version_is_forgotten_by_its_file(assistant: Assistant, tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "t.csv"
    path.write_text("ask,said\nanything,<p>Not on <b>Sundays</b></p>\n")
    with assistant.store.begin() as connection:
        add_entry(connection, "0", "<p>Not on <b>Sundays</b></p>", "", 1, TICKET)
    assistant.refresh()
    for _ in range(2):
        forget(assistant, [str(path)], Columns("ask", "said"), said.append)
    assert said == [
        "1 answers and 0 questions are forgotten; a file that holds them brings them back",
        f"{path}: none of its answers is known",
    ]


def test_a_long_text_that_is_not_known_is_refused_as_such(assistant: Assistant) -> None:
    with pytest.raises(Refusal, match="there is no such file, and no answer of this id or text is known"):
        forget(assistant, ["not known " * 1000], Columns(), print)


def test_many_answers_are_forgotten_in_few_statements(store: Store) -> None:
    store.add([Entry(f"e{n}", f"answer {n}", "", (f"how {n}",), 1) for n in range(1200)])
    statements: list[str] = []
    sql.event.listen(store.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    assert store.forget([f"e{n}" for n in range(1, 1200)], 0.0) == (1199, 1199)
    assert [entry.id for entry in store.all()[0]] == ["e0"]
    assert len(statements) < 20


def test_a_person_may_call_right_what_was_forgotten_and_it_is_known_again(assistant: Assistant) -> None:
    given = assistant.ask(RETURN)
    assistant.judge(given.turn, "right", None, "desk")
    assistant.store.forget([given.entry or ""], 0.0)
    assistant.refresh()
    with assistant.store.begin() as connection:
        assert examined(assistant.finder, cases_of(judgements(connection), assistant.finder.known)) == []
    assistant.judge(given.turn, "right", None, "desk")
    assert assistant.ask(RETURN).text == given.text


def test_as_many_added_as_were_forgotten_are_noticed(folder: Path) -> None:
    with opened(folder) as one, opened(folder) as other:
        given = one.ask(RETURN)
        questions = tuple(f"{RETURN} {word}" for word in ("", "please", "thanks"))
        one.store.forget([given.entry or ""], 0.0)
        one.store.add([Entry("e1", "You cannot.", "", questions, 1)])
        assert other.refresh()
        assert other.ask(RETURN).text == "You cannot."


def test_an_index_lets_go_of_what_its_database_never_had(folder: Path) -> None:
    for path in folder.glob(f"{FILE}*"):
        path.unlink()
    with opened(folder) as assistant:
        assert held(assistant) == set()
        assistant.store.add([Entry("e1", "You cannot.", "", (RETURN,), 1)])
        assistant.refresh()
        assert len(held(assistant)) == 2


def test_an_index_that_an_earlier_version_has_seen_to_agree_is_looked_through_again(folder: Path) -> None:
    with opened(folder) as assistant:
        entries, phrases = assistant.store.all()
        place = assistant.finder.place
    names = [*(each.id for each in entries), *(f"{each.id}{each.offered}" for each in phrases)]
    (place / "follows").write_text(hashlib.sha256("\n".join(names).encode()).hexdigest())
    with Index.open(place) as index:
        index.put([Document("a:ghost", "You cannot.")])
    with opened(folder) as assistant:
        assert "a:ghost" not in held(assistant)


def test_a_database_of_an_earlier_version_has_forgotten_nothing(folder: Path) -> None:
    with opened(folder) as assistant, assistant.store.begin() as connection:
        FORGOTTEN.drop(connection)
    with opened(folder) as assistant:
        assert not assistant.refresh()
        assert assistant.ask(RETURN).kind == "past"
