"""Calibration against calculations by hand, scikit-learn, and every order of what is equally sure."""

from itertools import pairwise, permutations
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.metrics import log_loss

from danlu.answer.answer import Answer
from danlu.evaluate.scoring.calibration import calibration, error_by_chance
from danlu.evaluate.scoring.certainty import Certainty
from danlu.evaluate.scoring.columns import room_for_scores
from danlu.evaluate.scoring.metric import measures
from danlu.evaluate.scoring.probable import equal_mass, equal_width
from danlu.evaluate.scoring.proportion import share_of
from danlu.evaluate.scoring.resample import Draws
from danlu.evaluate.scoring.score import score_sides
from danlu.evaluate.scoring.selective import Selective
from danlu.evaluate.scoring.side import Side
from danlu.recipe.part import find
from danlu.refusal import Refusal


def side_of(form, labels, gold, predictions):
    """A side with all that the answers say of themselves."""
    form = find(Answer, form)()
    side = Side(form, labels, gold, scores=room_for_scores(labels), certainty=Certainty(form, labels))
    list(side.taking(predictions))
    return side


def labelled(shares, labels):
    return [
        {"label": labels[int(np.argmax(row))], "scores": dict(zip(labels, map(float, row), strict=True))}
        for row in shares
    ]


def value(name, side):
    metric = measures([name], side.form.kind)[name]
    return metric.measured(metric.prepared(side), len(side.gold))


def some_answers(count=300, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(classes), count)
    labels = [f"l{place}" for place in range(classes)]
    return labels, [labels[place] for place in rng.integers(0, classes, count)], shares


def test_the_calibration_error_of_a_few_answers_is_that_of_a_calculation_by_hand():
    # in bins of fifteenths: 0.62 and 0.66 share one, 0.95 and 0.98 another, 0.75 is alone
    sure = [0.62, 0.66, 0.75, 0.95, 0.98]
    gold = ["a", "b", "a", "a", "a"]
    side = side_of("label", ["a", "b"], gold, labelled([[each, 1 - each] for each in sure], ["a", "b"]))
    by_hand = (abs(0.62 + 0.66 - 1) + abs(0.75 - 1) + abs(0.95 + 0.98 - 2)) / 5
    assert value("ece", side) == pytest.approx(by_hand, abs=1e-12)
    each_alone = ((1 - 0.62) + 0.66 + (1 - 0.75) + (1 - 0.95) + (1 - 0.98)) / 5
    assert value("ece_equal_mass", side) == pytest.approx(each_alone, abs=1e-12)
    assert value("brier", side) == pytest.approx(2 * (0.38**2 + 0.66**2 + 0.25**2 + 0.05**2 + 0.02**2) / 5)


def test_edges_belong_to_the_bin_below_and_equal_probabilities_stay_together():
    assert equal_width(4).tolist() == [0, 0.25, 0.5, 0.75, 1]
    one = side_of("label", ["a", "b"], ["a", "b"], labelled([[0.6, 0.4], [0.60001, 0.39999]], ["a", "b"]))
    assert value("ece", one) == pytest.approx((0.4 + 0.60001) / 2)  # 9/15 is the upper edge of the ninth
    assert equal_mass(np.array([0.5] * 90 + [0.9] * 10)).tolist() == [0, 0.5, 0.9, 1]
    counts, _ = np.histogram(values := np.random.default_rng(0).random(1500), equal_mass(values))
    assert set(counts) == {100}


def test_brier_and_likelihood_are_those_of_formulas_and_of_scikit_learn():
    labels, gold, shares = some_answers()
    side = side_of("label", labels, gold, labelled(shares, labels))
    truth = np.array([[label == true for label in labels] for true in gold], float)
    assert value("brier", side) == pytest.approx(np.square(shares - truth).sum(1).mean())
    assert value("nll", side) == pytest.approx(log_loss(gold, shares, labels=labels))


def test_labels_that_are_decided_by_themselves_are_one_decision_each():
    shares = [{"a": 0.9, "b": 0.2}, {"a": 0.4, "b": 0.6}]
    predictions = [{"labels": ["a"], "scores": shares[0]}, {"labels": ["b"], "scores": shares[1]}]
    side = side_of("labels", ["a", "b"], [frozenset("a"), frozenset("a")], predictions)
    assert value("brier", side) == pytest.approx((0.1**2 + 0.2**2 + 0.6**2 + 0.6**2) / 4)
    assert value("nll", side) == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.4]).mean())
    assert value("ece", side) == pytest.approx((0.1 + 0.2 + 0.6 + 0.6) / 4)
    assert side.certainty.sure_whole.tolist() == pytest.approx([0.8, 0.6])  # of the least sure label of each
    assert side.certainty.right_whole.tolist() == [1, 0]


def test_choices_of_unlike_number_have_probabilities_too():
    predictions = [{"choice": 0, "scores": [0.7, 0.2, 0.1]}, {"choice": 1, "scores": [0.4, 0.6]}]
    side = side_of("choice", [], [0, 0], predictions)
    assert value("nll", side) == pytest.approx(-np.log([0.7, 0.4]).mean())
    assert value("brier", side) == pytest.approx((0.3**2 + 0.2**2 + 0.1**2 + 2 * 0.6**2) / 2)
    assert (
        score_sides(measures(["ece", "accuracy"], "choice"), side, resamples=20).metrics["accuracy"].interval.value
        == 0.5
    )


def in_every_order(sure, wrong, share=None):
    """The mean over all orders in which equally sure answers may stand, one by one."""
    found = []
    for order in permutations(range(len(sure))):
        if all(sure[one] >= sure[other] for one, other in pairwise(order)):
            errors = np.cumsum([wrong[place] for place in order]) / np.arange(1, len(sure) + 1)
            count = len(sure) if share is None else max(1, int(np.ceil(share * len(sure) - 1e-9)))
            found.append(errors.mean() if share is None else 1 - errors[count - 1])
    return np.mean(found)


@settings(max_examples=60)
@given(
    some.lists(some.tuples(some.sampled_from([0.5, 0.7, 0.9]), some.booleans()), min_size=1, max_size=6),
    some.floats(0.01, 1),
)
def test_risk_and_coverage_are_the_mean_over_all_orders_of_what_is_equally_sure(answers, share):
    sure, wrong = (np.array(column, float) for column in zip(*answers, strict=True))
    selective, once = Selective(sure, wrong), np.ones((1, len(sure)))
    assert selective.area(once)[0] == pytest.approx(in_every_order(sure, wrong))
    assert selective.accuracies(once, [share])[0][0] == pytest.approx(in_every_order(sure, wrong, share))
    assert selective.curve()[-1] == (1.0, pytest.approx(wrong.mean()))
    # a draw says the same as the records that it holds
    times = np.random.default_rng(len(sure)).multinomial(len(sure), np.full(len(sure), 1 / len(sure)))
    again = Selective(np.repeat(sure, times), np.repeat(wrong, times))
    drawn = selective.area_and_accuracies(times[None].astype(float), [share])
    assert [each[0] for each in drawn] == pytest.approx([each[0] for each in again.area_and_accuracies(once, [share])])


def test_perfect_probabilities_are_above_their_bound_in_five_of_a_hundred_tests():
    rng, above = np.random.default_rng(0), 0
    for seed in range(150):
        sure = rng.uniform(0.5, 1, 200)
        gold = np.where(rng.random(200) < sure, "a", "b").tolist()
        side = side_of("label", ["a", "b"], gold, labelled(np.stack([sure, 1 - sure], 1), ["a", "b"]))
        if seed < 3:
            found = calibration(side.certainty, Draws(200, 100, seed))
            assert found.ece == pytest.approx(value("ece", side))
            assert found.brier.low < found.brier.value < found.brier.high
            assert sum(each.count for each in found.bins) == found.decisions == 200
            assert found.coverage[1.0].value == pytest.approx(side.certainty.right_whole.mean())
        above += value("ece", side) > error_by_chance(sure, equal_width(), seed, draws=200)
    assert 1 <= above <= 17  # 7.5 are expected, of standard deviation 2.7


def test_answers_that_hold_no_whole_probabilities_are_not_calibrated():
    half = [{"label": "a", "scores": {"a": 0.75}}, {"label": "b", "scores": {"b": 0.75}}]
    side = side_of("label", ["a", "b"], ["a", "b"], half)
    assert not side.certainty.whole
    assert calibration(side.certainty, Draws(2, 100, 0)) is None
    with pytest.raises(Refusal, match="The metric 'ece' measures answers of the form label or labels or choice"):
        measures(["ece"], "spans")


def test_what_was_always_right_may_be_wrong_the_next_time():
    labels = ("a", "b")
    predictions = [{"label": "a", "scores": {"a": 0.9 - 0.001 * row, "b": 0.1 + 0.001 * row}} for row in range(20)]
    told = calibration(side_of("label", labels, ["a"] * 20, predictions).certainty, Draws(20, 200, 0))
    for share, found in told.coverage.items():
        assert found.value == 1
        assert found.low == pytest.approx(share_of(ceil(20 * share), ceil(20 * share)).low)
    assert told.aurc.value == told.aurc.low == 0 < told.aurc.high
