"""Metrics of ranks, of numbers and of sets of labels, against scipy and scikit-learn, in whole and in every draw."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats
from sklearn import metrics as sklearn_metrics

from danlu.answer.answer import Answer
from danlu.evaluate.scoring.columns import Columns
from danlu.evaluate.scoring.metric import Metric, measures
from danlu.evaluate.scoring.resample import Draws
from danlu.evaluate.scoring.score import score_sides
from danlu.evaluate.scoring.side import Side
from danlu.recipe.part import find

LABELS = ("a", "b", "c")


def numbers_side(gold, given):
    return Side(find(Answer, "number")(), (), list(gold), list(given))


def scored_side(form, gold, scores, labels=LABELS):
    side = Side(find(Answer, form)(), labels, list(gold), list(gold), Columns(len(labels)))
    for row in scores:
        side.scores.append(row)
    return side


def measured(kind, side):
    metric = find(Metric, kind)()
    return metric.measured(metric.prepared(side), len(side.gold))


NUMBERS = some.floats(-1e3, 1e3).map(lambda number: round(number, 2)) | some.integers(0, 3).map(float)
PAIRS = some.lists(some.tuples(NUMBERS, NUMBERS), min_size=2, max_size=40)


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_metrics_of_numbers_agree_with_scipy_and_scikit_learn(pairs):
    gold, given_numbers = map(np.array, zip(*pairs, strict=True))
    side = numbers_side(gold, given_numbers)
    assert measured("mse", side) == pytest.approx(sklearn_metrics.mean_squared_error(gold, given_numbers))
    assert measured("mae", side) == pytest.approx(sklearn_metrics.mean_absolute_error(gold, given_numbers))
    if np.ptp(gold) == 0 or np.ptp(given_numbers) == 0:
        assert math.isnan(measured("pearson", side))
        assert math.isnan(measured("spearman", side))
        return
    assert measured("pearson", side) == pytest.approx(stats.pearsonr(gold, given_numbers).statistic, abs=1e-7)
    assert measured("spearman", side) == pytest.approx(stats.spearmanr(gold, given_numbers).statistic, abs=1e-9)


def test_large_numbers_that_differ_little_keep_their_correlation():
    rng = np.random.default_rng(0)
    gold = 1e9 + rng.random(300)
    given_numbers = gold + 0.3 * rng.random(300)
    expected = stats.pearsonr(gold - 1e9, given_numbers - 1e9).statistic
    assert measured("pearson", numbers_side(gold, given_numbers)) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(some.lists(some.tuples(some.sampled_from(LABELS), *[some.integers(0, 5)] * 3), min_size=1, max_size=40))
def test_area_agrees_with_scikit_learn_where_all_labels_occur_and_leaves_out_others(rows):
    gold = [row[0] for row in rows]
    scores = np.array([row[1:] for row in rows], np.float64)
    areas = {
        label: sklearn_metrics.roc_auc_score([true == label for true in gold], scores[:, place])
        for place, label in enumerate(LABELS)
        if 0 < gold.count(label) < len(gold)
    }
    side = scored_side("label", gold, scores)
    metric = find(Metric, "auc")()
    assert metric.by_label(metric.prepared(side), side) == pytest.approx(areas)
    expected = np.mean([*areas.values()]) if areas else math.nan
    assert measured("auc", side) == pytest.approx(expected, nan_ok=True)


def test_area_of_classifiers_is_that_of_scikit_learn_one_against_the_rest():
    rng = np.random.default_rng(1)
    gold = rng.choice(LABELS, 300)
    scores = rng.dirichlet(np.ones(3), 300) + 0.5 * (gold[:, None] == np.array(LABELS))
    scores /= scores.sum(1, keepdims=True)
    expected = sklearn_metrics.roc_auc_score(gold, scores, multi_class="ovr", average="macro")
    assert measured("auc", scored_side("label", gold, scores)) == pytest.approx(expected)
    sets = [frozenset(np.array(LABELS)[row]) for row in rng.random((300, 3)) < 0.3]
    truth = np.array([[label in held for label in LABELS] for held in sets])
    expected = sklearn_metrics.roc_auc_score(truth, scores, average="macro")
    assert measured("auc", scored_side("labels", sets, scores)) == pytest.approx(expected)


SETS = some.lists(some.tuples(*[some.frozensets(some.sampled_from(LABELS))] * 2), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(SETS)
def test_metrics_of_sets_of_labels_agree_with_scikit_learn(pairs):
    gold, given_sets = zip(*pairs, strict=True)
    side = Side(find(Answer, "labels")(), LABELS, gold, list(given_sets))
    true, answered = (np.array([[label in held for label in LABELS] for held in sets]) for sets in (gold, given_sets))
    assert measured("subset_accuracy", side) == pytest.approx(sklearn_metrics.accuracy_score(true, answered))
    assert measured("hamming", side) == pytest.approx(sklearn_metrics.hamming_loss(true, answered))
    there = (true | answered).any(0)
    if not there.any():
        assert math.isnan(measured("macro_f1", side))
        return
    for kind, function, average in (
        ("micro_f1", sklearn_metrics.f1_score, "micro"),
        ("macro_f1", sklearn_metrics.f1_score, "macro"),
        ("precision", sklearn_metrics.precision_score, "macro"),
        ("recall", sklearn_metrics.recall_score, "macro"),
    ):
        columns = np.resize(np.flatnonzero(there), max(2, there.sum()))  # scikit-learn takes one column for two classes
        expected = function(true[:, columns], answered[:, columns], average=average, zero_division=0)
        assert measured(kind, side) == pytest.approx(expected), kind


def test_draws_of_ranks_are_ranked_anew():
    rng = np.random.default_rng(2)
    gold = rng.integers(0, 6, 80).astype(float)
    side = numbers_side(gold, gold + rng.integers(-3, 4, 80))
    labels = rng.choice(LABELS, 80)
    scores = rng.integers(0, 9, (80, 3)).astype(float)
    ranked = scored_side("label", labels, scores)
    draws = Draws(80, 30, seed=4)
    drawn = np.random.default_rng(4).integers(0, 80, (30, 80))
    given_numbers = np.array(side.values)
    for kind, function in (("spearman", stats.spearmanr), ("pearson", stats.pearsonr)):
        metric = find(Metric, kind)()
        expected = [function(gold[rows], given_numbers[rows]).statistic for rows in drawn]
        assert metric.drawn(metric.prepared(side), draws) == pytest.approx(expected), kind
    metric = find(Metric, "auc")()
    expected = [
        np.mean(
            [sklearn_metrics.roc_auc_score(labels[rows] == label, scores[rows, p]) for p, label in enumerate(LABELS)]
        )
        for rows in drawn
    ]
    assert metric.drawn(metric.prepared(ranked), draws) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["spearman", "pearson", "mse", "mae"])
def test_the_difference_from_the_baseline_is_paired(kind):
    rng = np.random.default_rng(3)
    gold = rng.random(400)
    noise = rng.normal(0, 0.3, 400)
    ours, theirs = numbers_side(gold, gold + noise), numbers_side(gold, gold + 1.1 * noise)
    found = score_sides(measures([kind], "number"), ours, ("other", theirs))
    gap, alone = found.baseline.difference[kind], found.metrics[kind].interval
    assert gap.value == pytest.approx(alone.value - found.baseline.metrics[kind].interval.value)
    # the two err on the same records, so their difference is far better known than either of them
    assert gap.high - gap.low < 0.5 * (alone.high - alone.low)
    assert find(Metric, kind).higher_is_better == (gap.value > 0)


def test_columns_come_back_as_rows_and_as_columns_from_memory_and_from_a_file():
    numbers = np.random.default_rng(5).random((700, 5000))
    columns = Columns(5000)
    for row in numbers:
        columns.append(row)
    assert columns.length == 700
    assert np.array_equal(columns.columns(4990, 5000), numbers[:, 4990:])
    assert np.array_equal(np.concatenate([*columns.blocks()]), numbers)
    assert Columns(3).columns(0, 2).shape == (0, 2)
