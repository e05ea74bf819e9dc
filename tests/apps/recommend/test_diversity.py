"""The dial at 0 is the plain ranking; elsewhere the list is what its definition says, step by step."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from danlu.apps.recommend.diversity import diverse

worlds = st.integers(0, 10_000).map(np.random.default_rng)


def drawn(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    vectors = rng.normal(size=(int(rng.integers(1, 9)), 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return rng.normal(size=len(vectors)), vectors @ vectors.T


@given(worlds, st.integers(1, 10))
def test_the_dial_at_nothing_is_the_plain_ranking(rng, limit) -> None:
    scores, alike = drawn(rng)
    assert diverse(scores, alike, limit, 0.0) == np.argsort(-scores, kind="stable")[:limit].tolist()


@given(worlds, st.integers(1, 10), st.floats(0.05, 1))
def test_each_item_is_the_best_by_the_definition(rng, limit, dial) -> None:
    scores, alike = drawn(rng)
    chosen = diverse(scores, alike, limit, dial)
    spread = scores.max() - scores.min()
    wanted = (scores - scores.min()) / spread if spread else scores * 0
    assert len(chosen) == len(set(chosen)) == min(limit, len(scores))
    assert chosen[0] == scores.argmax()
    for step in range(1, len(chosen)):
        value = {
            each: (1 - dial) * wanted[each] - dial * max(alike[each, before] for before in chosen[:step])
            for each in range(len(scores))
            if each not in chosen[:step]
        }
        assert value[chosen[step]] >= max(value.values()) - 1e-12


def test_more_of_the_dial_makes_lists_less_alike() -> None:
    rng = np.random.default_rng(4)
    groups = np.repeat(np.eye(4), 5, axis=0)
    scores = np.repeat([4.0, 3.0, 2.0, 1.0], 5) + 0.1 * rng.random(20)
    plain, mixed = (diverse(scores, groups @ groups.T, 4, dial) for dial in (0.0, 0.9))
    assert len({each // 5 for each in plain}) == 1
    assert len({each // 5 for each in mixed}) == 4
