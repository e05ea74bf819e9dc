"""What is called better: never on the word of a few records, and length only where it comes nearer to the truth."""

import pytest

from danlu.answer.answer import Answer
from danlu.evaluate.scoring.compare import Comparison, compared_sides
from danlu.evaluate.scoring.metric import measures
from danlu.evaluate.scoring.resample import Interval
from danlu.evaluate.scoring.side import Side
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.stages.recipe import Recipe
from danlu.trials.objective import objective_of


def ratio(first: float, second: float) -> bool | None:
    ends = [Interval(value, value - 0.01, value + 0.01) for value in (first, second)]
    gap = second - first
    return Comparison("length_ratio", *ends, Interval(gap, gap - 0.02, gap + 0.02), 0.001).better


def test_a_length_is_better_where_it_is_nearer_to_that_of_the_truth() -> None:
    assert ratio(0.5, 0.9) is True
    assert ratio(1.0, 1.9) is False
    assert ratio(1.9, 1.0) is True
    assert ratio(0.9, 0.5) is False
    assert ratio(0.8, 1.2) is None


def test_nothing_is_searched_for_by_what_is_best_between_other_values() -> None:
    stage = {"kind": "train", "data": {"kind": "jsonl", "path": "a"}, "model": {"kind": "scratch"}, "task": "rewrite"}
    recipe = Recipe.model_validate({"name": "a", "stages": {"model": stage}})
    with pytest.raises(Refusal, match="'length_ratio' is best at 1 and worse on both sides of it; choose another one"):
        objective_of(recipe, "model", "length_ratio")


@pytest.mark.parametrize(("records", "p", "better"), [(1, 0.5, None), (3, 0.125, None), (40, 1 / 201, True)])
def test_a_few_records_that_all_agree_prove_little(records: int, p: float, better: bool | None) -> None:
    form, labels = find(Answer, "label")(), ("a", "b")
    ours, theirs = (Side(form, labels, ["a"] * records, [said] * records) for said in "ba")
    (found,) = compared_sides(measures(["accuracy"], "label"), ours, theirs, resamples=200, seed=0)
    assert found.difference.value == 1
    assert found.difference.low < found.difference.value == found.difference.high
    assert (found.p, found.better) == (pytest.approx(p), better)


def test_each_model_is_held_against_the_truth_as_it_spells_it() -> None:
    form, gold = find(Answer, "label")(), ["good", "bad"] * 10
    ours = Side(form, ("good", "bad", "Good", "Bad"), gold, list(gold))
    theirs = Side(form, ours.labels, [each.title() for each in gold], [each.title() for each in gold])
    for found in compared_sides(measures(["accuracy", "macro_f1"], "label"), ours, theirs, resamples=200, seed=0):
        assert (found.first.value, found.second.value, found.difference.value, found.p) == (1, 1, 0, 1)


def test_of_what_has_no_bounds_a_few_records_prove_as_little() -> None:
    value, gap = Interval(2.0, 2.0, 2.0), Interval(-1.0, -1.0, -1.0)
    assert Comparison("mae", value, value, gap, 0.125).better is None
    assert Comparison("mae", value, value, gap, 0.01).better is True


def test_the_same_answers_do_not_differ() -> None:
    ours = Side(find(Answer, "label")(), ("a", "b"), ["a"] * 9, ["a"] * 9)
    (found,) = compared_sides(measures(["accuracy"], "label"), ours, ours, resamples=200, seed=0)
    assert (found.difference.low, found.difference.high, found.p, found.better) == (0, 0, 1, None)
