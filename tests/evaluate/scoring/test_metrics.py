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

from danlu.answer.answer import Answer
from danlu.evaluate.scoring.columns import Columns
from danlu.evaluate.scoring.metric import Metric, measures
from danlu.evaluate.scoring.side import Side
from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal

LABELS = ("good", "bad", "mixed", "empty")

# gold, predicted: good 3 times (2 right), bad 2 times (1 right), mixed never, once predicted; empty neither
GOLD = ["good", "good", "good", "bad", "bad"]
PREDICTED = ["good", "good", "bad", "bad", "mixed"]

# one entity right, one with a wrong end, one with a wrong label, one invented
GOLD_SPANS = [{(0, 2, "PER"), (3, 6, "LOC")}, {(1, 4, "ORG")}, set()]
PREDICTED_SPANS = [{(0, 2, "PER"), (3, 5, "LOC")}, {(1, 4, "LOC")}, {(0, 1, "PER")}]

# price and design right, one price wrongly given, one design missed
GOLD_SETS = [{"good", "bad"}, {"bad"}, set()]
PREDICTED_SETS = [{"good"}, {"bad"}, {"mixed"}]

# the same text, and one of three words where four were right
F, G = '{"name": "f", "arguments": {"a": 1, "b": true}}', '{"name": "g", "arguments": {}}'
CALLED = [
    (f'I look.\n{G}\n{{"arguments": {{"b": true, "a": 1}}, "name": "f"}}',),
    (F.replace("true", "1"),),
    ("hello",),
    (F,),
    (F,),
]
TEXTS = [("you drink tea .",), ("she reads old books .",)], [("you drink tea .",), ("she reads old .",)]

NUMBERS = [1.0, 2.0, 3.0, 4.0], [1.5, 2.0, 2.5, 6.0]
SCORES = [[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.1, 0.9]]

# the same but for an article, the same but for signs, two of three characters in two, something where nothing is
ANSWERS = [("in 1998", "the 1998"), ("《春晓》",), ("碎叶城",), ("",)]
ANSWERED = [("1998",), ("春晓",), ("碎叶",), ("1998",)]

# one right, one in the wrong direction, one taken for nothing; a relation where there is none; one right
DIRECTED = ("cause(e1,e2)", "cause(e2,e1)", "part(e1,e2)", "Other")
RELATIONS = ["cause(e1,e2)", "cause(e1,e2)", "cause(e2,e1)", "Other", "part(e1,e2)"]
RELATED = ["cause(e1,e2)", "cause(e2,e1)", "Other", "part(e1,e2)", "part(e1,e2)"]

RANKINGS = (  # of the second relevant one of the first query nothing is found, of the last one only at place 11
    [(("a", 2.0), ("b", 1.0)), (("c", 1.0),), (("d", 0.0),), (("e", 1.0), ("f", 0.0))],
    [
        (("x", 3.0), ("a", 2.0)),
        (("c", 1.0), ("x", 0.5)),
        (("d", 1.0),),
        (*((name, 20.0) for name in "ghijklmnop"), ("e", 1.0)),
    ],
)
GAIN = (2 / math.log2(3)) / (2 + 1 / math.log2(3))

SURE = (["x", "x", "y", "y"], ["x", "y", "y", "y"])  # as SCORES say
CASES = {
    "accuracy": ("label", GOLD, PREDICTED, LABELS, 3 / 5),
    "precision": ("label", GOLD, PREDICTED, LABELS, (2 / 2 + 1 / 2 + 0) / 3),
    "recall": ("label", GOLD, PREDICTED, LABELS, (2 / 3 + 1 / 2 + 0) / 3),
    "macro_f1": ("label", GOLD, PREDICTED, LABELS, (0.8 + 0.5 + 0) / 3),
    "micro_f1": ("label", GOLD, PREDICTED, LABELS, 3 / 5),
    "entity_precision": ("spans", GOLD_SPANS, PREDICTED_SPANS, ("PER", "LOC", "ORG"), 1 / 4),
    "entity_recall": ("spans", GOLD_SPANS, PREDICTED_SPANS, ("PER", "LOC", "ORG"), 1 / 3),
    "entity_f1": ("spans", GOLD_SPANS, PREDICTED_SPANS, ("PER", "LOC", "ORG"), 2 / 7),
    "tag_accuracy": ("spans", GOLD_SPANS, PREDICTED_SPANS, ("PER", "LOC", "ORG"), 1 / 3),
    "perplexity": ("likelihood", [(0.0, 0)] * 2, [(math.log(8) * 2, 2), (math.log(2) * 4, 4)], (), 2 ** (10 / 6)),
    "exact_match": ("excerpt", ANSWERS, ANSWERED, (), 2 / 4),
    "token_f1": ("excerpt", ANSWERS, ANSWERED, (), (1 + 1 + 2 * 2 / 5 + 0) / 4),
    "relation_macro_f1": ("label", RELATIONS, RELATED, DIRECTED, (2 / 5 + 2 / 3) / 2),
    "relation_micro_f1": ("label", RELATIONS, RELATED, DIRECTED, 2 * 2 / (2 * 2 + 2 + 2)),
    "subset_accuracy": ("labels", GOLD_SETS, PREDICTED_SETS, LABELS, 1 / 3),
    "hamming": ("labels", GOLD_SETS, PREDICTED_SETS, LABELS, 2 / 12),
    "mse": ("number", *NUMBERS, (), (0.25 + 0 + 0.25 + 4) / 4),
    "mae": ("number", *NUMBERS, (), (0.5 + 0 + 0.5 + 2) / 4),
    "pearson": ("number", *NUMBERS, (), 7 / math.sqrt(5 * 12.5)),
    "spearman": ("number", [1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0], (), 0.8),
    "bleu": ("text", *TEXTS, (), 100 * math.exp(1 - 9 / 8) * (5 / 6 * 3 / 4 * 1 / 2) ** 0.25),
    "chrf": ("text", [("abcd",)], [("abc",)], (), 100 * 5 * (mean := (3 / 4 + 2 / 3 + 1 / 2) / 3) / (4 + mean)),
    "rouge1": ("text", *TEXTS, (), (1.0 + 2 * 3 / 7) / 2),
    "rouge2": ("text", *TEXTS, (), (1.0 + 2 * 2 / 5) / 2),
    "rougel": ("text", *TEXTS, (), (1.0 + 2 * 3 / 7) / 2),
    "length_ratio": ("text", *TEXTS, (), 6 / 7),
    "repetition": ("text", [("x",)] * 2, [("a b c d e a b c d f",), ("a b",)], (), 1 / 7),
    "target_script": ("text", [("我喝茶",)], [("我drink茶",)], (), 2 / 7),
    "tool_calls": ("text", [(f"{F}\n{G}", "no"), (F,), ("hi",), ("hi",), (F,)], CALLED, (), 3 / 5),
    "verbatim": ("text", [("x = 1", "x=1"), ("X",), ("y ",)], [("x=1",), ("x",), ("y ",)], (), 2 / 3),
    "preference_accuracy": ("preference", [1.0] * 4, [2.5, -1.0, 0.5, 0.0], (), 2 / 4),
    "reward_margin": ("preference", [1.0] * 4, [2.5, -1.0, 0.5, 0.0], (), 2.0 / 4),
    "recall_at_k": ("ranking", *RANKINGS, (), (1 / 2 + 1 + 0) / 3),
    "mrr": ("ranking", *RANKINGS, (), (1 / 2 + 1 + 1 / 11) / 3),
    "ndcg_at_k": ("ranking", *RANKINGS, (), (GAIN + 1 + 0) / 3),
    "auc": ("label", ["x", "x", "y", "y"], ["x", "y", "y", "y"], ("x", "y"), 3.5 / 4),  # of the scores, one pair equal
    "ece": ("label", *SURE, ("x", "y"), (0.2 + 0.2) / 4),  # 1.8 for two that are right, 1.2 for one of two
    "ece_equal_mass": ("label", *SURE, ("x", "y"), (0.2 + 0.2) / 4),
    "brier": ("label", *SURE, ("x", "y"), 2 * (0.01 + 0.36 + 0.16 + 0.01) / 4),
    "nll": ("label", *SURE, ("x", "y"), -math.log(0.9 * 0.4 * 0.6 * 0.9) / 4),
    "aurc": (
        "label",
        *SURE,
        ("x", "y"),
        (0 + 0 + 1 / 2 / 3 + 1 / 4) / 4,
    ),  # the third may be the right or the wrong one
}


def side_of(form, gold, predicted, labels, scores=None):
    form = find(Answer, form)()
    if form.kind in ("spans", "labels"):
        gold, predicted = ([*map(frozenset, side)] for side in (gold, predicted))
    side = Side(form, labels, list(gold), list(predicted))
    if scores is not None:
        side.scores = Columns(len(labels))
        for row in scores:
            side.scores.append(row)
    return side


def case(kind):
    form, gold, predicted, labels, expected = CASES[kind]
    return side_of(form, gold, predicted, labels, SCORES if find(Metric, kind).needs_scores else None), expected


def measured(kind, *given):
    metric, side = find(Metric, kind)(), side_of(*given)
    return metric.measured(metric.prepared(side), len(side.gold))


def test_every_metric_has_a_known_answer():
    assert sorted(CASES) == kinds(Metric)
    assert len(CASES) >= 28


@pytest.mark.parametrize("kind", CASES)
def test_known_answer(kind):
    metric, (side, expected) = find(Metric, kind)(), case(kind)
    assert metric.measured(metric.prepared(side), len(side.gold)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", CASES)
def test_a_metric_of_a_draw_is_that_of_the_examples_drawn(kind):
    metric, (side, _) = find(Metric, kind)(), case(kind)
    times = np.array([[2, 1, 0, 1, 1], [0, 3, 1, 1, 0], [1, 0, 2, 0, 2]], np.float64)[:, : len(side.gold)]
    found = metric.drawn(metric.prepared(side), [times[:2], times[2:]])
    assert found.shape == (3,)
    scores = None if side.scores is None else side.scores.columns(0, 2)
    for row, value in zip(times.astype(int), found, strict=True):
        drawn = np.repeat(np.arange(len(side.gold)), row)
        again = Side(side.form, side.labels, [side.gold[i] for i in drawn], [side.values[i] for i in drawn])
        if scores is not None:
            again.scores = Columns(2)
            for place in drawn:
                again.scores.append(scores[place])
        expected = metric.measured(metric.prepared(again), len(drawn))
        assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("kind", CASES)
def test_a_metric_of_one_form_refuses_another(kind):
    metric = find(Metric, kind)
    for form in kinds(Answer):
        if not metric.forms or form in metric.forms:
            assert [*measures([kind, kind], form)] == [kind]
        else:
            with pytest.raises(Refusal, match=f"'{kind}' measures answers of the form .*, and these are .* {form};"):
                measures([kind], form)


def test_a_misspelt_metric_is_refused_with_the_nearest():
    with pytest.raises(Refusal, match="there is no metric 'pearsson'; did you mean 'pearson'"):
        measures(["pearsson"], "number")


def test_values_of_the_labels_are_named():
    def by_label(kind, *given):
        metric, side = find(Metric, kind)(), side_of(*given)
        return metric.by_label(metric.prepared(side), side)

    values = by_label("macro_f1", "label", GOLD, PREDICTED, LABELS)
    assert values == pytest.approx({"good": 0.8, "bad": 0.5, "mixed": 0.0})  # no "empty"
    values = by_label("entity_f1", "spans", GOLD_SPANS, PREDICTED_SPANS, ("PER", "LOC", "ORG"))
    assert values == pytest.approx({"PER": 2 / 3, "LOC": 0.0, "ORG": 0.0})
    form, gold, predicted, _, _ = CASES["auc"]
    side = side_of(form, gold, predicted, ("x", "y", "never"), [[*row, 0.5] for row in SCORES])
    metric = find(Metric, "auc")()
    assert metric.by_label(metric.prepared(side), side) == {"x": 0.875, "y": 0.875}


PAIRS = some.lists(some.tuples(some.sampled_from(LABELS), some.sampled_from(LABELS)), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_label_metrics_agree_with_scikit_learn(pairs):
    gold, predicted = zip(*pairs, strict=True)
    named = {"zero_division": 0}  # labels: those in the truth or in the answers
    assert measured("accuracy", "label", gold, predicted, LABELS) == pytest.approx(
        sklearn_metrics.accuracy_score(gold, predicted)
    )
    for kind, function, average in (
        ("macro_f1", sklearn_metrics.f1_score, "macro"),
        ("micro_f1", sklearn_metrics.f1_score, "micro"),
        ("precision", sklearn_metrics.precision_score, "macro"),
        ("recall", sklearn_metrics.recall_score, "macro"),
    ):
        expected = function(gold, predicted, average=average, **named)
        assert measured(kind, "label", gold, predicted, LABELS) == pytest.approx(expected), kind
    metric = find(Metric, "macro_f1")()
    side = side_of("label", gold, predicted, LABELS)
    values = metric.by_label(metric.prepared(side), side)
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
        assert all(
            math.isnan(measured(kind, "spans", gold, predicted, ("PER", "LOC"))) for kind in CASES if "entity" in kind
        )
        return
    rows = [tags(spans) for spans in gold], [tags(spans) for spans in predicted]
    for kind, function in (
        ("entity_f1", seqeval_f1),
        ("entity_precision", seqeval_precision),
        ("entity_recall", seqeval_recall),
    ):
        assert measured(kind, "spans", gold, predicted, ("PER", "LOC")) == pytest.approx(function(*rows)), kind


def test_perplexity_adds_up_over_tokens_and_not_over_texts():
    texts = [(3.0, 1), (1.0, 9)]
    assert measured("perplexity", "likelihood", [(0.0, 0)] * 2, texts, ()) == pytest.approx(math.exp(4.0 / 10))


def test_perplexity_without_a_token_is_refused():
    with pytest.raises(Refusal, match="needs a token to predict"):
        measured("perplexity", "likelihood", [(0.0, 0)], [(0.0, 0)], ())


@pytest.mark.parametrize(
    ("kind", "gold", "predicted", "words"),
    [
        ("macro_f1", ["good", "great"], ["good", "good"], "Record 2 has the gold label 'great'.* knows: good, bad"),
        ("micro_f1", ["good"], ["awful"], "Record 1 has the predicted label 'awful'"),
        ("entity_f1", [set(), {(0, 1, "DATE")}], [set(), set()], "Record 2 has the gold label 'DATE'"),
    ],
)
def test_an_unknown_label_is_refused_with_its_record(kind, gold, predicted, words):
    with pytest.raises(Refusal, match=words):
        measured(kind, "spans" if kind == "entity_f1" else "label", gold, predicted, LABELS)
