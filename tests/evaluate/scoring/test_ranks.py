"""Metrics of rankings, against scikit-learn and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score

from danlu.answer.answer import Answer
from danlu.evaluate.scoring.metric import Metric
from danlu.evaluate.scoring.side import Side
from danlu.recipe.part import find


def measured(kind, gold, values, **fields):
    metric = find(Metric, kind)(**fields)
    side = Side(find(Answer, "ranking")(), (), gold, values)
    return metric.measured(metric.prepared(side), len(gold))


def of_relevance(relevance, order):
    names = [str(place) for place in range(len(relevance))]
    truth = tuple(zip(names, map(float, relevance), strict=True))
    return truth, tuple((names[place], -float(rank)) for rank, place in enumerate(order))


@settings(max_examples=40, deadline=None)
@given(some.data(), some.integers(2, 12), some.integers(1, 12))
def test_ndcg_is_that_of_scikit_learn(data, count, k):
    relevance = data.draw(some.lists(some.integers(0, 3), min_size=count, max_size=count).filter(any))
    order = data.draw(some.permutations(range(count)))
    truth, ranked = of_relevance(relevance, order)
    scores = np.empty(count)
    scores[list(order)] = -np.arange(count)
    expected = ndcg_score([relevance], [scores], k=k)
    assert measured("ndcg_at_k", [truth], [ranked], k=k) == pytest.approx(expected)
    if sum(relevance) == max(relevance):  # one that is relevant: its reciprocal rank is the average precision
        expected = label_ranking_average_precision_score([[value > 0 for value in relevance]], [scores])
        assert measured("mrr", [truth], [ranked]) == pytest.approx(expected)


def test_only_the_first_k_count():
    truth, ranked = of_relevance([0, 0, 1, 1], [0, 2, 1, 3])
    assert [measured("recall_at_k", [truth], [ranked], k=k) for k in (1, 2, 3, 4)] == [0, 0.5, 0.5, 1]
    assert [measured("mrr", [truth], [ranked], k=k) for k in (1, 2)] == [0, 0.5]
    best = 1 + 1 / math.log2(3)
    assert measured("ndcg_at_k", [truth], [ranked], k=4) == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / best)


def test_without_anything_relevant_there_is_no_value_and_the_name_says_how_many_places_count():
    truth, ranked = of_relevance([0, 0], [0, 1])
    for kind in ("recall_at_k", "mrr", "ndcg_at_k"):
        assert math.isnan(measured(kind, [truth], [ranked]))
        side = Side(find(Answer, "ranking")(), (), [truth], [ranked])
        assert find(Metric, kind)(k=5).definition(side) == "k = 5, 2 candidates"
        assert find(Metric, kind)(k=1).definition(side) == "k = 1"
        many = Side(find(Answer, "ranking")(), (), [((str(0), 1.0),)] * 2, [of_relevance(range(40), range(40))[1]] * 2)
        assert find(Metric, kind)(k=100).definition(many) == "k = 100, 40 candidates"
        assert find(Metric, kind)(k=10).definition(many) == "k = 10"
