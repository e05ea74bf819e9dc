"""A tagger beside counts: the best path of both, its weight, and what is kept."""

import base64
from itertools import pairwise, product

import numpy as np
import pytest

from danlu.task.beside_counts import SMOOTHING, best_weight, count, f1, found, said
from danlu.task.entities import Marked
from danlu.task.tasks.tag import Tag
from danlu.text.batching.align import spans_of
from danlu.text.batching.bio import best_path
from danlu.text.tagging import kept, markov
from danlu.text.tagging.units import marks, units

RECORDS = [
    {"text": f"{name}去了{place}。", "entities": [{"start": 0, "end": len(name), "label": "PER"}]}
    for name in ("李白", "杜甫", "王维")
    for place in ("长安", "成都", "洛阳")
]
LABELS = ("PER",)


@pytest.fixture(scope="module")
def counts():
    return count([Marked(record["text"], sorted(Tag().gold(record))) for record in RECORDS])


def scores(tokens, seed=0):
    return np.log(np.random.default_rng(seed).dirichlet(np.ones(3), tokens)).astype(np.float32)


def each_character(text):
    return np.array([(place, place + 1) for place in range(len(text))], np.int32)


@pytest.mark.parametrize("weight", [0.2, 1.0])
def test_the_best_path_is_the_best_of_all_by_network_and_counts_together(counts, weight):
    text = "李维去"
    log_TC, model = scores(len(text), 3), kept.opened(counts)
    (spans,) = found([said(log_TC, each_character(text), text, counts, LABELS)], counts, weight, LABELS)
    emission = markov._emissions(model, [list(text)], SMOOTHING)[0]
    totals = {}
    for path in product(range(len(model.states)), repeat=len(text)):
        states = [model.states[number] for number in path]
        classes = [0 if label is None else 1 + bool(left) for label, left, _ in states]
        total = model.first[path[0]] + model.last[path[-1]]
        total += sum(model.moves[one, two] for one, two in pairwise(path))
        total += sum(emission[place, number] for place, number in enumerate(path))
        network = sum(float(log_TC[place, value]) for place, value in enumerate(classes))
        totals[path] = network + weight * total, classes
    best = max(totals.values())[1]
    assert [span for span, _ in spans] == [span for span, _ in spans_of(np.array(best), each_character(text))]


@pytest.mark.parametrize("seed", range(5))
def test_with_hardly_any_weight_it_is_the_tagger_alone(counts, seed):
    text = "李白去了长安杜甫。"
    log_TC, offsets = scores(len(text), seed), each_character(text)
    (spans,) = found([said(log_TC, offsets, text, counts, LABELS)], counts, 1e-7, LABELS)
    alone = spans_of(best_path(log_TC), offsets)
    assert [span for span, _ in spans] == [span for span, _ in alone]
    for (_, score), (_, tokens) in zip(spans, alone, strict=True):
        assert score == pytest.approx(
            np.exp(log_TC[tokens][np.arange(len(log_TC[tokens])), best_path(log_TC)[tokens]].mean())
        )


def test_units_of_one_token_are_in_one_span_and_tokens_of_one_unit_too(counts):
    text = "李白 went"
    assert len(units(text)) == 3
    offsets = np.array([[0, 2], [3, 5], [5, 7]], np.int32)  # two units in a token, a unit in two tokens
    for seed in range(8):
        log_TC = scores(3, seed)
        (spans,) = found([said(log_TC, offsets, text, counts, LABELS)], counts, 1e-7, LABELS)
        assert {edge for (start, end, _), _ in spans for edge in (start, end)} <= {0, 2, 3, 7}
        known = spans_of(
            best_path(np.stack([log_TC[0], [log_TC[1, 0] + log_TC[2, 0], *(log_TC[1, 1:] + log_TC[2, 2])]])),
            offsets[:2],
        )
        assert [span[:2] for span, _ in spans] == [(start, 7 if end == 5 else end) for (start, end, _), _ in known]


def test_the_weight_is_the_least_of_the_best_and_nothing_where_the_counts_do_not_help(counts):
    texts, truths = [], []
    for seed, record in enumerate(RECORDS):
        text = record["text"]
        texts.append(said(scores(len(text), seed), each_character(text), text, counts, LABELS))
        truths.append(frozenset((start, end, 0) for start, end, _ in Tag().gold(record)))
    chosen = best_weight(texts, truths, 0.0, counts, LABELS)
    assert chosen > 0
    answers = [frozenset(span for span, _ in each) for each in found(texts, counts, chosen, LABELS)]
    assert f1(truths, answers) > 0.9
    assert best_weight(texts, truths, 1.0, counts, LABELS) == 0.0


def test_counts_come_back_as_they_were_and_damaged_ones_are_refused(counts):
    texts = [record["text"] for record in RECORDS]
    truths = [marks(units(text), Tag().gold(record)) for text, record in zip(texts, RECORDS, strict=True)]
    known, back = markov.counted([list(text) for text in texts], truths, "context"), kept.unpacked(counts)
    assert (known.states, known.units) == (back.states, back.units)
    for name in ("pairs", "times", "moves", "last"):
        np.testing.assert_array_equal(getattr(known, name), getattr(back, name))
    for wrong in ("", "AAAA", counts[:-8], counts[:40] + "A" * 8 + counts[48:], base64.b64encode(b"x" * 90).decode()):
        with pytest.raises(ValueError, match=r"the counts (cannot be read|contradict)"):
            kept.unpacked(wrong)


def test_of_too_many_pairs_the_rarest_forget_what_stood_before(counts):
    whole = kept.unpacked(counts)
    wide, tall = len(whole.states), len(whole.units) + 2
    few = whole.at_most(len(whole.pairs) - 1)
    assert len(few.pairs) <= len(whole.pairs)
    totals = [
        np.bincount(each.pairs % (tall * wide), weights=each.times, minlength=tall * wide) for each in (whole, few)
    ]
    np.testing.assert_array_equal(*totals)
    assert set((few.pairs // wide // tall).tolist()) == {1}, "so few are kept that all are rare"
    assert whole.at_most(len(whole.pairs)) is whole


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"counted": True, "decoding": "crf"}, "'counted' finds the best path itself, and 'decoding' is crf"),
        ({"weight": 1.0}, "have no effect without 'counted: true'"),
        ({"counted": True, "labels": ("x",), "counts": "AAAA"}, "the counts cannot be read"),
    ],
)
def test_settings_that_contradict_one_another_are_refused(fields, says):
    with pytest.raises(ValueError, match=says):
        Tag(**fields)


def test_counts_of_other_labels_are_refused(counts):
    with pytest.raises(ValueError, match="the counts are of other labels"):
        Tag(counted=True, labels=("x",), counts=counts)
