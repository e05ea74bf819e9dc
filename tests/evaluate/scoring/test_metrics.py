"""Metrics against values worked out by hand, scikit-learn and seqeval."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from seqeval.metrics import f1_score as seqeval_f1
from seqeval.metrics import precision_score as seqeval_precision
from seqeval.metrics import recall_score as seqeval_recall
from sklearn import metrics as sklearn_metrics

from danlu.evaluate.scoring.metric import Metric
from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal

LABELS = ("good", "bad", "mixed", "empty")

# gold, predicted: good 3 times (2 right), bad 2 times (1 right), mixed never, once predicted; empty neither
GOLD = ["good", "good", "good", "bad", "bad"]
PREDICTED = ["good", "good", "bad", "bad", "mixed"]

# one entity right, one with a wrong end, one with a wrong label, one invented
GOLD_SPANS = [{(0, 2, "PER"), (3, 6, "LOC")}, {(1, 4, "ORG")}, set()]
PREDICTED_SPANS = [{(0, 2, "PER"), (3, 5, "LOC")}, {(1, 4, "LOC")}, {(0, 1, "PER")}]

CASES = {
    "accuracy": (GOLD, PREDICTED, LABELS, 3 / 5),
    "precision": (GOLD, PREDICTED, LABELS, (2 / 2 + 1 / 2 + 0) / 3),
    "recall": (GOLD, PREDICTED, LABELS, (2 / 3 + 1 / 2 + 0) / 3),
    "macro_f1": (GOLD, PREDICTED, LABELS, (0.8 + 0.5 + 0) / 3),
    "micro_f1": (GOLD, PREDICTED, LABELS, 3 / 5),
    "entity_precision": (GOLD_SPANS, PREDICTED_SPANS, ("PER", "LOC", "ORG"), 1 / 4),
    "entity_recall": (GOLD_SPANS, PREDICTED_SPANS, ("PER", "LOC", "ORG"), 1 / 3),
    "entity_f1": (GOLD_SPANS, PREDICTED_SPANS, ("PER", "LOC", "ORG"), 2 / 7),
    "perplexity": ([None, None], [(math.log(8) * 2, 2), (math.log(2) * 4, 4)], (), 2 ** (10 / 6)),
}


def measured(kind, gold, predicted, labels):
    metric = find(Metric, kind)()
    return float(metric.value(metric.counts(gold, predicted, labels).sum(0)))


def test_every_metric_has_a_known_answer():
    assert sorted(CASES) == kinds(Metric)
    assert len(CASES) == 9


@pytest.mark.parametrize("kind", CASES)
def test_known_answer(kind):
    *arguments, expected = CASES[kind]
    assert measured(kind, *arguments) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", CASES)
def test_value_of_many_totals_at_once_is_the_value_of_each(kind):
    gold, predicted, labels, _ = CASES[kind]
    metric = find(Metric, kind)()
    counts = metric.counts(gold, predicted, labels)
    assert counts.shape[0] == len(gold)
    stacked = np.stack([counts.sum(0), counts[:1].sum(0), counts[1:].sum(0)])
    assert metric.value(stacked).tolist() == pytest.approx([float(metric.value(row)) for row in stacked])


def test_values_of_the_labels_are_named():
    metric = find(Metric, "macro_f1")()
    values = metric.by_label(metric.counts(GOLD, PREDICTED, LABELS).sum(0), LABELS)
    assert values == pytest.approx({"good": 0.8, "bad": 0.5, "mixed": 0.0})  # no "empty"
    entity = find(Metric, "entity_f1")()
    totals = entity.counts(GOLD_SPANS, PREDICTED_SPANS, ("PER", "LOC", "ORG")).sum(0)
    assert entity.by_label(totals, ("PER", "LOC", "ORG")) == pytest.approx({"PER": 2 / 3, "LOC": 0.0, "ORG": 0.0})


PAIRS = some.lists(some.tuples(some.sampled_from(LABELS), some.sampled_from(LABELS)), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_label_metrics_agree_with_scikit_learn(pairs):
    gold, predicted = zip(*pairs, strict=True)
    named = {"zero_division": 0}  # labels: those in the truth or in the answers
    assert measured("accuracy", gold, predicted, LABELS) == pytest.approx(
        sklearn_metrics.accuracy_score(gold, predicted)
    )
    for kind, function, average in (
        ("macro_f1", sklearn_metrics.f1_score, "macro"),
        ("micro_f1", sklearn_metrics.f1_score, "micro"),
        ("precision", sklearn_metrics.precision_score, "macro"),
        ("recall", sklearn_metrics.recall_score, "macro"),
    ):
        expected = function(gold, predicted, average=average, **named)
        assert measured(kind, gold, predicted, LABELS) == pytest.approx(expected), kind
    metric = find(Metric, "macro_f1")()
    values = metric.by_label(metric.counts(gold, predicted, LABELS).sum(0), LABELS)
    of_labels = sklearn_metrics.f1_score(gold, predicted, average=None, labels=list(values), **named)
    assert set(values) == {*gold, *predicted}
    assert list(values.values()) == pytest.approx(of_labels)


LENGTH = 12
SPANS = some.lists(some.tuples(some.integers(0, LENGTH - 1), some.integers(1, 4), some.sampled_from(["PER", "LOC"])))


def apart(pieces):
    """Spans that do not overlap."""
    spans, end = set(), 0
    for start, length, label in sorted(pieces):
        if start >= end and start + length <= LENGTH:
            spans.add((start, start + length, label))
            end = start + length
    return spans


def tags(spans):
    row = ["O"] * LENGTH
    for start, end, label in spans:
        row[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
    return row


@settings(max_examples=60, deadline=None)
@given(some.lists(some.tuples(SPANS, SPANS), min_size=1, max_size=6))
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_entity_metrics_agree_with_seqeval(sentences):
    gold = [apart(first) for first, _ in sentences]
    predicted = [apart(second) for _, second in sentences]
    if not any(gold) and not any(predicted):
        assert all(math.isnan(measured(kind, gold, predicted, ("PER", "LOC"))) for kind in CASES if "entity" in kind)
        return
    rows = [tags(spans) for spans in gold], [tags(spans) for spans in predicted]
    for kind, function in (
        ("entity_f1", seqeval_f1),
        ("entity_precision", seqeval_precision),
        ("entity_recall", seqeval_recall),
    ):
        assert measured(kind, gold, predicted, ("PER", "LOC")) == pytest.approx(function(*rows)), kind


def test_perplexity_adds_up_over_tokens_and_not_over_texts():
    texts = [(3.0, 1), (1.0, 9)]
    assert measured("perplexity", [None, None], texts, ()) == pytest.approx(math.exp(4.0 / 10))


def test_perplexity_without_a_token_is_refused():
    with pytest.raises(Refusal, match="needs a token to predict"):
        measured("perplexity", [None], [(0.0, 0)], ())


@pytest.mark.parametrize(
    ("kind", "gold", "predicted", "words"),
    [
        ("macro_f1", ["good", "great"], ["good", "good"], "Record 2 has the gold label 'great'.* knows: good, bad"),
        ("micro_f1", ["good"], ["awful"], "Record 1 has the predicted label 'awful'"),
        ("entity_f1", [set(), {(0, 1, "DATE")}], [set(), set()], "Record 2 has the entity label 'DATE'"),
    ],
)
def test_an_unknown_label_is_refused_with_its_record(kind, gold, predicted, words):
    with pytest.raises(Refusal, match=words):
        measured(kind, gold, predicted, LABELS)
