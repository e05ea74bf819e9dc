"""Scores with their intervals: against the binomial law, scikit-learn, and each other."""

import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from in_proportion import BOUND, growth
from scipy.stats import binom, binomtest
from sklearn.metrics import confusion_matrix, f1_score

from danlu.answer.answer import Answer
from danlu.evaluate.scoring.metric import measures
from danlu.evaluate.scoring.proportion import share_of
from danlu.evaluate.scoring.resample import Draws, Interval, independent_difference
from danlu.evaluate.scoring.score import score, score_sides, truths
from danlu.evaluate.scoring.side import Side
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.task import Task

LABELS = ("a", "b", "c")


def drawn(number, seed, right=0.8):
    rng = np.random.default_rng(seed)
    gold = rng.choice(LABELS, number)
    guess = np.where(rng.random(number) < right, gold, rng.choice(LABELS, number))
    return gold.tolist(), guess.tolist()


class Words(SimpleNamespace):
    """A task as far as scoring looks at it: the truth is in `label`, the answer too."""

    metrics = ("macro_f1", "accuracy")
    examined_as = "label"
    examined_form = find(Answer, "label")()

    def examined(self, predictions, records):
        return predictions

    def label_names(self):
        return LABELS

    def gold(self, record, number=0):
        return record["label"]


def score_answers(metrics, labels, gold, answers, form="label", rival=None, **settings):
    form = find(Answer, form)()
    sides = [Side(form, labels, gold, values) for values in (answers, *([rival[1]] if rival else []))]
    return score_sides(measures(metrics, form.kind), sides[0], rival and (rival[0], sides[1]), **settings)


def rows(labels):
    return [{"label": label} for label in labels]


def test_the_value_is_that_of_the_records_and_lies_in_its_interval():
    gold, guess = drawn(400, 1)
    scores = score(Words(), rows(gold), rows(guess))
    measured = scores.metrics["macro_f1"]
    assert measured.interval.value == pytest.approx(f1_score(gold, guess, average="macro"))
    assert measured.interval.low < measured.interval.value < measured.interval.high
    assert list(measured.by_label) == list(LABELS)
    assert scores.records == 400
    assert scores.support == {label: gold.count(label) for label in LABELS}


def test_the_interval_of_accuracy_is_that_of_the_binomial_law():
    gold = ["a"] * 500
    guess = ["a"] * 400 + ["b"] * 100
    interval = score(Words(), rows(gold), rows(guess), resamples=4000).metrics["accuracy"].interval
    low, high = binom.ppf([0.025, 0.975], 500, 0.8) / 500
    assert interval.low == pytest.approx(low, abs=0.005)
    assert interval.high == pytest.approx(high, abs=0.005)


def test_resampled_sums_are_those_of_drawing_with_replacement():
    counts = np.random.default_rng(0).random((50, 3))
    draws = Draws(50, 20, seed=7)
    drawn_at_once = np.random.default_rng(7).integers(0, 50, (20, 50))
    for _ in range(2):  # the second time from what was kept
        (times,) = draws
        assert times @ counts == pytest.approx(counts[drawn_at_once].sum(1))


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    gold, guess = drawn(200, 2)
    first, second, third = (score(Words(), rows(gold), rows(guess), seed=seed).to_plain() for seed in (5, 5, 6))
    assert first == second
    assert first["metrics"]["macro_f1"]["low"] != third["metrics"]["macro_f1"]["low"]


@pytest.mark.parametrize("metric", ["macro_f1", "precision", "recall"])
def test_means_over_labels_count_those_in_the_truth_or_in_the_answers_in_every_draw(metric):
    gold = ["a"] * 10
    perfect = score_answers((metric,), LABELS, gold, gold, resamples=50)
    assert perfect.metrics[metric].interval == share_of(10, 10)
    assert perfect.metrics[metric].by_label == {"a": 1.0}
    assert perfect.to_plain()["absent"] == ["b", "c"]
    rare = score_answers((metric,), LABELS, ["a"] * 30 + ["b"], ["a"] * 30 + ["b"], resamples=200)
    assert rare.metrics[metric].interval == share_of(31, 31)  # many draws hold no b


@pytest.mark.parametrize(
    ("metric", "gold", "answers", "low"),
    [
        ("perplexity", [(0.0, 0)] * 10, [(math.log(8), 1), *[(0.0, 0)] * 9], 8.0),
        (
            "entity_f1",
            [frozenset({(0, 1, "a")}), *[frozenset()] * 9],
            [frozenset({(0, 1, "a")}), *[frozenset()] * 9],
            1.0,
        ),
        (
            "entity_recall",
            [frozenset({(0, 1, "a")}), *[frozenset()] * 9],
            [frozenset({(0, 1, "a")}), *[frozenset()] * 9],
            1.0,
        ),
        (
            "entity_precision",
            [frozenset({(0, 1, "a")}), *[frozenset()] * 9],
            [frozenset({(0, 1, "a")}), *[frozenset()] * 9],
            1.0,
        ),
    ],
)
def test_draws_without_anything_to_measure_do_not_move_the_interval(metric, gold, answers, low):
    labels = LABELS if metric != "perplexity" else ()
    form = "spans" if labels else "likelihood"
    interval = score_answers((metric,), labels, gold, answers, form, resamples=200).metrics[metric].interval
    wide = share_of(10, 10).low if low == 1.0 else low
    assert (interval.low, interval.value, interval.high) == pytest.approx((wide, low, low))


@pytest.mark.parametrize("metric", ["entity_f1", "entity_recall", "entity_precision"])
def test_where_there_is_nothing_to_measure_there_is_no_value(metric):
    plain = score_answers(
        (metric,), LABELS, [frozenset()] * 3, [frozenset()] * 3, "spans", resamples=10, rival=("hmm", [frozenset()] * 3)
    ).to_plain()
    assert plain["metrics"][metric] == {"value": None, "low": None, "high": None, "by_label": {}}
    assert plain["baseline"]["difference"][metric]["value"] is None


def test_confusion_has_the_truth_in_rows():
    gold, guess = drawn(300, 3)
    plain = score(Words(), rows(gold), rows(guess), resamples=10).to_plain()
    assert plain["confusion"]["labels"] == list(LABELS)
    assert plain["confusion"]["matrix"] == confusion_matrix(gold, guess, labels=list(LABELS)).tolist()


def test_difference_to_the_baseline_is_paired():
    gold, guess = drawn(500, 4, right=0.7)
    better = [true if place % 20 == 0 else answer for place, (true, answer) in enumerate(zip(gold, guess, strict=True))]
    plain = score(Words(), rows(gold), rows(better), baseline=("tfidf", rows(guess))).to_plain()
    model, rival = plain["metrics"]["accuracy"], plain["baseline"]["metrics"]["accuracy"]
    gap = plain["baseline"]["difference"]["accuracy"]
    assert plain["baseline"]["kind"] == "tfidf"
    assert gap["value"] == pytest.approx(model["value"] - rival["value"])
    # the two err on the same records, so their difference is far better known than either of them
    assert gap["low"] > -1e-12
    assert gap["high"] - gap["low"] < 0.6 * (model["high"] - model["low"])


def test_a_model_that_is_never_wrong_or_never_right_may_be_otherwise_on_more_records():
    gold, _ = drawn(30, 5)
    right, wrong = (binomtest(count, 30).proportion_ci(0.95, "wilson") for count in (30, 0))
    told = score(Words(), rows(gold), rows(gold)).to_plain()["metrics"]["accuracy"]
    assert (told["value"], told["low"], told["high"]) == pytest.approx((1.0, right.low, 1.0))
    others = ["b" if label == "a" else "a" for label in gold]
    told = score(Words(), rows(gold), rows(others)).to_plain()["metrics"]["accuracy"]
    assert (told["value"], told["low"], told["high"]) == pytest.approx((0.0, 0.0, wrong.high))


def test_spans_have_no_confusion_matrix_but_a_support():
    gold = [frozenset({(0, 1, "a")}), frozenset({(0, 1, "a"), (2, 3, "b")})]
    scores = score_answers(("entity_f1",), LABELS, gold, gold, "spans", resamples=10)
    assert scores.confusion is None
    assert scores.support == {"a": 2, "b": 1, "c": 0}


def test_records_are_scored_in_time_in_proportion():
    def scored(count):
        gold, guess = rows(drawn_gold[:count]), rows(drawn_guess[:count])
        score(Words(), gold, guess, baseline=("tfidf", gold))

    drawn_gold, drawn_guess = drawn(6000, 6)
    assert growth(partial(scored, 1500), partial(scored, 6000)) < BOUND


def test_difference_of_two_data_sets_is_wider_than_either():
    ours, theirs = Interval(0.8, 0.77, 0.83), Interval(0.7, 0.66, 0.74)
    gap = independent_difference(ours, theirs)
    assert gap.value == pytest.approx(0.1)
    assert (gap.low, gap.high) == pytest.approx((0.05, 0.15))  # 0.1 -+ sqrt(0.03^2 + 0.04^2)


@pytest.mark.parametrize(
    ("records", "predictions", "words"),
    [
        ([], [], "no records to evaluate on"),
        (rows("ab"), rows("a"), "1 predictions for 2 records"),
        (rows("ab"), rows("abc"), "3 predictions for 2 records"),
        ([{"label": "a"}, {"text": "x"}], rows("aa"), "Record 2 has no column 'label'"),
        (rows("ax"), rows("aa"), "Record 2 has the gold label 'x'"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_a_sentence(records, predictions, words):
    with pytest.raises(Refusal, match=words):
        score(Words(), records, predictions)


def test_numbers_that_json_does_not_know_become_none():
    scores = score_answers(("perplexity",), (), [(0.0, 0)], [(1e6, 1)], "likelihood", resamples=10)
    assert scores.to_plain()["metrics"]["perplexity"]["value"] is None


def test_a_record_without_its_truth_is_named_by_its_number():
    task = Task.model_validate({"kind": "classify", "labels": ["bad", "good"]})
    records = [{"text": "好", "label": "good"}, {"text": "坏", "label": "BAD "}, {"text": "好"}]
    assert truths(task, records[:2]) == ["good", "bad"]
    with pytest.raises(Refusal, match="record 3: there is no column 'label'"):
        truths(task, records)
    spans = [{"text": "好", "entities": []}, {"text": "好", "entities": 3}]
    with pytest.raises(Refusal, match="record 2: column 'entities' must be a list"):
        truths(Task.model_validate("tag"), spans)
