"""Answers that are next to the same while the truths are not."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.answer.answer import Answer
from danlu.evaluate.reporting.wording import alike_in_words, notes_in_words
from danlu.evaluate.scoring.alike import FEWEST, LONGEST, alike
from danlu.evaluate.scoring.side import Side
from danlu.language import translator
from danlu.recipe.part import find

N = 20


def side(form: str, gold: list[Any], values: list[Any]) -> Side:
    return Side(find(Answer, form)(), (), gold, values)  # type: ignore[type-abstract]


@pytest.mark.parametrize(
    ("form", "truths", "value", "example"),
    [
        ("label", ["good", "bad"], "good", "good"),
        ("labels", [frozenset({"a"}), frozenset({"b"})], frozenset(), ""),
        ("labels", [frozenset({"a"}), frozenset({"b"})], frozenset({"b", "a"}), "a, b"),
        ("spans", [frozenset({(0, 2, "person")}), frozenset()], frozenset(), ""),
        ("choice", [0, 1, 2], 0, "0"),
        ("text", [("one",), ("two", "2")], ("我，。",), "我，。"),
        ("text", [("one",), ("two", "2")], ("",), ""),
        ("number", [1.0, 3.0], 2.5, "2.5"),
    ],
)
def test_one_answer_to_all_is_told_in_every_form(form: str, truths: list[Any], value: Any, example: str) -> None:
    gold = [truths[place % len(truths)] for place in range(N)]
    found = alike(side(form, gold, [value] * N))
    assert found is not None
    assert (found.answers, found.truths, found.example) == (1, len(truths), example)
    assert alike(side(form, gold, gold)) is None
    assert alike(side(form, [gold[0]] * N, [value] * N)) is None  # there is but one right answer
    few = FEWEST - 1
    assert alike(side(form, gold[:few], [value] * few)) is None


@pytest.mark.parametrize("form", ["ranking", "vector", "likelihood"])
def test_answers_that_always_differ_are_not_looked_at(form: str) -> None:
    value = {"ranking": (("a", 1.0),), "vector": (0.5,), "likelihood": (3.0, 2)}[form]
    assert alike(side(form, [(place,) for place in range(N)], [value] * N)) is None


@given(different=st.integers(1, 8), seed=st.integers(0, 99))
def test_a_hundredth_as_many_answers_as_truths_are_next_to_the_same_in_any_order(different: int, seed: int) -> None:
    gold = [(f"truth {place}",) for place in range(400)]
    values = [(f"answer {place % different}",) for place in range(400)]
    random.Random(seed).shuffle(values)
    found = alike(side("text", gold, values))
    assert (found is not None) == (different <= 4)
    assert found is None or (found.answers, found.truths) == (different, 400)


@given(spread=st.floats(0, 1), at=st.floats(-100, 100))
def test_numbers_are_alike_where_they_hardly_differ_beside_the_truths(spread: float, at: float) -> None:
    gold = [float(place % 2) for place in range(N)]
    found = alike(side("number", gold, [at + spread * value for value in gold]))
    if not 0.0199 < spread < 0.0201:
        assert (found is not None) == (spread < 0.02)
    assert alike(side("number", [3.0] * N, [at] * N)) is None
    assert alike(side("number", gold, [float("nan")] * N)) is None


def test_what_is_shown_is_one_short_line() -> None:
    found = alike(side("text", [(str(place),) for place in range(N)], [("two\nlines\x1b[31m " + "long " * 40,)] * N))
    assert found is not None
    assert len(found.example) == LONGEST
    assert found.example.isprintable()


@pytest.mark.parametrize(
    ("plain", "english", "chinese"),
    [
        ({"answers": 1, "truths": 2, "example": "good"}, "it answers all 1,200 records alike", "回答都一样：good"),
        ({"answers": 1, "truths": 2, "example": ""}, "it finds nothing in any of 1,200 records", "什么也没有找到"),
        ({"answers": 3, "truths": 900, "example": "我"}, "it gives 3 different answers to 1,200", "只给出 3 种答案"),
    ],
)
def test_it_is_said_beside_the_scores_in_both_languages(plain: dict[str, Any], english: str, chinese: str) -> None:
    for language, words in (("en", english), ("zh", chinese)):
        _ = translator(language)
        assert words in alike_in_words(plain, 1200, _)
        assert notes_in_words({"metrics": {}, "records": 1200, "alike": plain}, _) == [alike_in_words(plain, 1200, _)]
        assert notes_in_words({"metrics": {}, "records": 1200}, _) == []
