"""The test by swaps, against the binomial law, against all ways written out, and where nothing differs."""

from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import kstest

from danlu.answer.answer import Answer
from danlu.evaluate.scoring.changes import mcnemar
from danlu.evaluate.scoring.metric import Metric
from danlu.evaluate.scoring.metrics.accuracy import Accuracy
from danlu.evaluate.scoring.metrics.macro_f1 import MacroF1
from danlu.evaluate.scoring.metrics.mae import Mae
from danlu.evaluate.scoring.side import Side
from danlu.evaluate.scoring.swapping import ALL, chance_by_swaps
from danlu.recipe.part import find, kinds

LABEL = find(Answer, "label")()


def counts_of(right: list[int]) -> np.ndarray:
    return np.stack([np.array(right, float), np.ones(len(right))], 1)


@pytest.mark.parametrize(("fixed", "broken"), [(1, 0), (3, 0), (4, 1), (5, 5), (0, 7), (6, 4)])
def test_of_shares_it_is_mcnemars(fixed: int, broken: int) -> None:
    ours = [1] * fixed + [0] * broken + [1] * 5 + [0] * 3
    theirs = [0] * fixed + [1] * broken + [1] * 5 + [0] * 3
    found = chance_by_swaps(Accuracy(), counts_of(ours), counts_of(theirs), 100, 0)
    assert found == pytest.approx(mcnemar(fixed, broken))


@pytest.mark.parametrize(("fixed", "broken"), [(14, 3), (40, 22)])
def test_of_many_examples_draws_come_near_it(fixed: int, broken: int) -> None:
    assert fixed + broken > ALL
    ours, theirs = [1] * fixed + [0] * broken, [0] * fixed + [1] * broken
    found = chance_by_swaps(Accuracy(), counts_of(ours), counts_of(theirs), 4000, 0)
    assert found == pytest.approx(mcnemar(fixed, broken), abs=0.012)


def test_counts_of_sides_that_are_counted_from_their_own_answers_are_not_swapped() -> None:
    alike = {kind: getattr(find(Metric, kind), "counts_alike", None) for kind in kinds(Metric)}  # type: ignore[type-abstract]
    assert {kind for kind, known in alike.items() if known is False} == {"ece_equal_mass", "pearson"}


def test_of_other_metrics_it_is_the_share_of_all_ways_to_swap() -> None:
    rng = np.random.default_rng(3)
    gold = rng.choice(["a", "b", "c"], 9).tolist()
    said = [rng.choice(["a", "b", "c"], 9).tolist() for _ in range(2)]
    metric, labels = MacroF1(), ("a", "b", "c")

    def gap(one: list[str], two: list[str]) -> float:
        values = [metric.prepared(Side(LABEL, labels, gold, each)).sum(0) for each in (one, two)]
        return abs(float(metric.value(values[0]) - metric.value(values[1])))

    seen, as_large = gap(*said), 0.0
    for ways in product([False, True], repeat=9):
        one, two = zip(
            *[pair[::-1] if way else pair for way, pair in zip(ways, zip(*said, strict=True), strict=True)], strict=True
        )
        found = gap(list(one), list(two))
        as_large += 1.0 if found > seen + 1e-12 else 0.5 * (abs(found - seen) < 1e-12)
    prepared = [metric.prepared(Side(LABEL, labels, gold, each)) for each in said]
    for form in (lambda each: each, csr_array):
        dense = [each.toarray() if hasattr(each, "toarray") else each for each in prepared]
        assert chance_by_swaps(metric, *map(form, dense), 100, 0) == pytest.approx(as_large / 2**9)


@pytest.mark.parametrize("kind", [np.uint8, np.bool_, np.int32])
def test_counts_of_any_number_format_are_subtracted(kind: type) -> None:
    ours, theirs = counts_of([0, 0, 0, 1]).astype(kind), counts_of([1, 1, 1, 1]).astype(kind)
    assert chance_by_swaps(Accuracy(), ours, theirs, 100, 0) == pytest.approx(mcnemar(0, 3))


def test_where_nothing_differs_it_is_certain_to_be_chance_and_infinite_numbers_tell_nothing() -> None:
    same = counts_of([1, 0, 1])
    assert chance_by_swaps(Accuracy(), same, same, 100, 0) == 1
    assert np.isnan(chance_by_swaps(Mae(), counts_of([1, 2]), np.array([[np.inf, 1], [2, 1]]), 100, 0))


@pytest.mark.parametrize("examples", [5, 12, 60])
def test_of_few_examples_too_it_finds_differences_where_there_are_none_no_oftener_than_it_says(examples: int) -> None:
    rng = np.random.default_rng(examples)
    p = np.array(
        [
            chance_by_swaps(
                Mae(), *(np.stack([rng.normal(size=examples), np.ones(examples)], 1) for _ in range(2)), 400, seed
            )
            for seed in range(300)
        ]
    )
    assert (p <= 0.05).mean() < 0.09  # 0.14 for draws of 5 examples
    assert kstest(p, "uniform").pvalue > 0.001
