"""Scoring holds little of what it scores: peak memory of many records with many labels."""

import tracemalloc

import numpy as np

from danlu.answer.answer import Answer
from danlu.evaluate.scoring.columns import Columns
from danlu.evaluate.scoring.metric import measures
from danlu.evaluate.scoring.score import score_sides
from danlu.evaluate.scoring.side import Side
from danlu.recipe.part import find

METRICS = ("macro_f1", "accuracy")
RECORDS, LABELS, RESAMPLES = 10_000, 500, 100
MEGABYTES = 60
"""Dense counts of one side would take 120. 100,000 x 1,000 with 1,000 draws and five metrics: 43 (2026-11)."""


def one_label(records, labels):
    """Answers with one of many labels, made without a copy of a name."""
    rng = np.random.default_rng(0)
    names = [f"label {place}" for place in range(labels)]
    gold = rng.integers(0, labels, records)
    given = np.where(rng.random(records) < 0.7, gold, rng.integers(0, labels, records))
    form = find(Answer, "label")()
    return Side(form, names, [names[place] for place in gold], [names[place] for place in given])


def peak(metrics, ours, theirs, resamples):
    """Megabytes that scoring alone takes at most."""
    tracemalloc.start()
    try:
        score_sides(metrics, ours, ("other", theirs), resamples=resamples)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_many_records_with_many_labels_are_scored_in_little_memory():
    ours, theirs = one_label(RECORDS, LABELS), one_label(RECORDS, LABELS)
    assert peak(measures(METRICS, "label"), ours, theirs, RESAMPLES) < MEGABYTES


def test_predictions_are_taken_one_by_one_and_their_scores_wait_in_a_file():
    records, labels = 3000, 500
    side = one_label(records, labels)
    side.values, side.scores = [], Columns(labels)
    rng = np.random.default_rng(1)
    ten = [dict(zip(side.labels, rng.random(labels).tolist(), strict=True)) for _ in range(10)]
    said = ({"label": name, "scores": dict(ten[place % 10])} for place, name in enumerate(side.gold))
    metric = measures(["auc"], "label")["auc"]
    tracemalloc.start()
    try:
        assert sum(1 for _ in side.taking(said)) == records
        assert 0.45 < metric.measured(metric.prepared(side), records) < 0.55
        assert tracemalloc.get_traced_memory()[1] < 11e6  # of 12 MB of scores 4 stay; as dicts they take 55
    finally:
        tracemalloc.stop()
