"""Candidates: numbers of a customer's own count for nothing, and one answer is one whatever it was filed under."""

import pytest

from danlu.apps.assistant.assistant import Assistant
from danlu.apps.assistant.folding import Entry, hashed, plain
from danlu.apps.assistant.made import made_cases
from danlu.apps.assistant.matching import Known
from danlu.apps.assistant.retraining import examined
from danlu.apps.assistant.store import TICKET, Kept, Phrase, add_entry, add_phrase

RETURN = "How do I return an item?"


@pytest.mark.parametrize(
    ("question", "own"),
    [
        (RETURN, f"{RETURN} 8837261"),
        (RETURN, f"{RETURN} (#A-8837261, tom.sawyer@example.com)"),
        ("怎么退货？", "怎么退货？8837261"),
    ],
)
def test_numbers_of_a_customers_own_change_nothing(assistant: Assistant, question: str, own: str) -> None:
    for asked in (question, own):
        placed = assistant.placed(asked)
        assert placed.given
        first = placed.candidates[0].features
        assert (first["asked"], first["covered"]) == (pytest.approx(1.0), pytest.approx(1.0))


def test_unknown_words_count_as_before_and_numbers_where_known_ones_stand(assistant: Assistant) -> None:
    known = assistant.placed(RETURN).sure
    for unknown in (f"{RETURN} zeppelin", f"{RETURN} 12"):
        assert assistant.placed(unknown).sure < known
    assistant.store.add([Entry("e1", "It weighs 3 kg.", "", ("What does article 4711888 weigh?",), 1)])
    assistant.refresh()
    (own, other) = (assistant.placed(f"What does article {number} weigh?") for number in (4711888, 4711999))
    assert own.given
    assert own.candidates[0].entry == other.candidates[0].entry == "e1"
    assert other.candidates[0].features["asked"] < 0.8
    assert [assistant.placed(only).given for only in ("8837261", "tom@example.com")] == [False, False]


def test_twins_of_an_earlier_version_are_one_answer(assistant: Assistant) -> None:
    right = assistant.placed(RETURN)
    text = assistant.finder.known.entries[right.candidates[0].entry].answer
    twin = hashed([plain(text), "sendings back"])  # as an earlier version has named it
    with assistant.store.begin() as connection:
        add_entry(connection, twin, text, "sendings back", 1, TICKET)
        for question in (RETURN, "May I give it back?"):
            add_phrase(connection, twin, question, TICKET)
    assistant.refresh()
    again = assistant.placed(RETURN)
    known, first = assistant.finder.known, again.candidates[0].entry
    assert again.given
    assert again.scores[1] < again.scores[0] - 0.5
    assert known.entries[assistant.placed("May I give it back?").candidates[0].entry].answer == text
    assert first == known.first(twin) == min(twin, right.candidates[0].entry)
    for case in made_cases(known, seed=0):
        if case.right is None and known.phrases[case.made_of or ""].entry == first:
            assert not {first, twin} & {each.entry for each in examined(assistant.finder, [case])[0].candidates}
        assert plain(case.question) != plain(RETURN) or case.right is None or len(case.phrases_aside) != 1
    assert assistant.placed(RETURN, frozenset([twin])).candidates[0].entry not in (first, twin)
    assert assistant.store.add([Entry("new", text, "other", (RETURN, "May I give it back?"), 1)]) == (0, 0)
    assert assistant.store.add([Entry("new", text, "other", ("Can it go back?",), 1)]) == (0, 1)


def test_of_equal_texts_all_questions_are_under_the_first() -> None:
    known = Known()
    known.add([Kept("a", "So.", "x", 1, TICKET), Kept("b", " so. ", "y", 1, TICKET)], [])
    known.add([], [Phrase("p", "a", "how", TICKET, offered=True), Phrase("q", "b", "why", TICKET, offered=True)])
    assert known.of_entry == {"a": ["p", "q"]}
    known.add([], [Phrase("q", "b", "why", TICKET, offered=False)])
    assert known.of_entry == {"a": ["p"]}
