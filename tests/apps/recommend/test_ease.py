"""EASE is what numpy finds for each item by itself: a ridge regression on all others."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.apps.recommend.ease import Ease


def regressions(x: np.ndarray, regularised: float) -> np.ndarray:
    """Column by column, min |x_j - X b|^2 + r |b|^2 with b_j = 0 (Steck 2019, equation 4, before it is solved)."""
    size = x.shape[1]
    found = np.zeros((size, size))
    for item in range(size):
        others = np.delete(np.arange(size), item)
        left = x[:, others].T @ x[:, others] + regularised * np.eye(size - 1)
        found[others, item] = np.linalg.solve(left, x[:, others].T @ x[:, item])
    return found


def world(seed: int, users: int = 12, items: int = 6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((users, items)) < 0.5, rng.integers(1, 5, (users, items)), 0).astype(float)


def row(values: np.ndarray) -> dict[int, int]:
    return {int(place): round(100 * values[place]) for place in np.flatnonzero(values)}


def test_the_matrix_is_that_of_the_regressions_and_scores_are_its_products() -> None:
    x = world(3)
    ease = Ease(x.T @ x, 2.0)
    assert np.allclose(ease.matrix(), regressions(x, 2.0), atol=1e-10)
    assert np.allclose(ease.scores(row(x[4])), x[4] @ regressions(x, 2.0), atol=1e-10)
    assert (ease.scores({}) == 0).all()


@given(st.integers(0, 50), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 50)), max_size=90))
@settings(max_examples=30)
def test_rows_that_change_leave_what_would_be_made_anew(seed: int, told: list) -> None:
    x = world(seed)
    ease = Ease(x[:, :5].T @ x[:, :5], 1.5)
    x[:, 5] = 0
    ease.grow(6)
    for user, other in told:
        new = world(other, 1)[0]
        ease.change(row(x[user]), row(new))
        x[user] = new
        anew = Ease(x.T @ x, 1.5)
        assert np.allclose(ease.scores(row(x[user])), anew.scores(row(x[user])), atol=1e-8)
    assert np.allclose(ease.matrix(), Ease(x.T @ x, 1.5).matrix(), atol=1e-8)


def test_a_list_after_few_changes_does_not_go_through_the_whole_matrix(monkeypatch) -> None:
    x = world(3)
    ease = Ease(x.T @ x, 2.0)
    with monkeypatch.context() as patch:
        patch.delattr(Ease, "_settle")
        ease.change({}, {0: 100, 2: 400})
        scores = ease.scores({0: 100})
    assert np.allclose(ease.matrix()[0], scores, atol=1e-10)
