"""NDCG is scikit-learn's, over all items."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from danlu.apps.recommend.measures import ndcg, recall


@given(st.integers(0, 10_000), st.integers(2, 80), st.sampled_from([1, 3, 10]))
def test_ndcg_is_that_of_scikit_learn(seed: int, items: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.permutation(items).astype(float)
    right = set(rng.permutation(items)[: int(rng.integers(1, items))].tolist())
    truth = np.array([[float(each in right) for each in range(items)]])
    ranked = np.argsort(-scores).tolist()
    assert np.isclose(ndcg(ranked, right, k), ndcg_score(truth, scores[None], k=k))
    assert recall(ranked, right, k) == len(right & set(ranked[:k])) / len(right)


def test_nothing_right_is_nothing() -> None:
    assert ndcg([1, 2], set()) == recall([1, 2], set()) == 0.0
