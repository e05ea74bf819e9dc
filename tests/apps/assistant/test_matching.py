"""Candidates: numbers of a customer's own count for nothing, and one answer is one whatever it was filed under."""

import unicodedata
from types import SimpleNamespace

import pytest

from danlu.apps.assistant import folding
from danlu.apps.assistant.assistant import Assistant
from danlu.apps.assistant.folding import Entry, hashed, plain
from danlu.apps.assistant.judging import Judgement
from danlu.apps.assistant.made import made_cases
from danlu.apps.assistant.matching import Known, _without_own
from danlu.apps.assistant.retraining import candidates_of, cases_of, examined
from danlu.apps.assistant.store import TICKET, Kept, Phrase, add_entry, add_phrase, phrase_id

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


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("Where is the Grubbel-12345?", "Where is the  Grubbel ?"),
        ("Where is iPhone15/1234567, tom.sawyer@example.com?", "Where is  iPhone15 ,  ?"),
        ("Where is 1Z999AA10123456784, RB12345678DE, 884-119233-1?", "Where is  ,  ,  ?"),
        ("怎么退货？８８３７２６１", "怎么退货? "),
        ("Grubbel12345/tom@example.com", " Grubbel "),
        ("8837261", "8837261"),
    ],
)
def test_names_that_are_joined_to_numbers_stay(question: str, left: str) -> None:
    assert " ".join(_without_own(Known(), question).split()) == " ".join(left.split())


def test_what_is_unknown_is_not_answered_for_a_number_beside_it(assistant: Assistant) -> None:
    for question in ("Where is the Grubbel?", "Where is the Grubbel-12345?", "Where is the Grubbel#1234567?"):
        assert not assistant.placed(question).given


def test_made_questions_look_at_no_other_question_of_an_answer_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Known()
    known.add([Kept("a", "So.", "", 1, TICKET)], [])
    known.add([], [Phrase(phrase_id("a", f"how {n}"), "a", f"how {n}", TICKET, offered=True) for n in range(300)])
    read: list[str] = []

    def counted(form: str, text: str) -> str:
        read.append(text)
        return unicodedata.normalize(form, text)  # type: ignore[arg-type]

    monkeypatch.setattr(folding, "unicodedata", SimpleNamespace(normalize=counted))
    assert len(made_cases(known, seed=0, most=20)) == 80
    assert len(read) < 100


def test_html_of_an_earlier_version_is_one_with_what_a_page_shows_of_it(assistant: Assistant) -> None:
    html, shown = "<p>Not on <b>Sundays</b></p>", "Not on Sundays"
    asked = "Do zeppelins fly on holidays?"
    with assistant.store.begin() as connection:
        add_entry(connection, "0", html, "", 1, TICKET)
        add_phrase(connection, "0", asked, TICKET)
    assistant.refresh()
    sure = assistant.placed(asked).sure
    assert assistant.store.add([Entry("1", shown, "", (asked,), 1)]) == (1, 0)
    assert assistant.store.add([Entry("1", shown, "", (asked,), 1)]) == (0, 0)
    assistant.refresh()
    assert assistant.placed(asked).sure == pytest.approx(sure, abs=0.01)
    assert assistant.ask(asked).text == shown


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
    name = phrase_id(twin, RETURN)
    assert known.alike(name) == {name, phrase_id(right.candidates[0].entry, RETURN)}
    judged = Judgement(1, 0.0, "t", RETURN, "right", twin, twin, name, "desk")
    (case,) = cases_of([judged], known)
    assert all(
        plain(known.phrases[each.phrase].text) != plain(RETURN) for each in candidates_of(assistant.finder, case)
    )
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
