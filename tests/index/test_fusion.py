"""What words and vectors say, in one order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.index.fusion import blended

THINGS = st.integers(0, 8)
BM25 = st.dictionaries(THINGS, st.floats(0, 40), max_size=6)
COSINES = st.dictionaries(THINGS, st.floats(-1, 1), max_size=6)


def test_the_score_is_half_the_sum_of_the_two_shares() -> None:
    found = blended({1: 8.0, 2: 2.0}, {1: 0.7, 2: 0.9, 3: 0.5}, 0.5)
    assert found == pytest.approx({1: (1 + 0.5) / 2, 2: (0.25 + 1) / 2, 3: 0})
    assert blended({1: 8.0, 2: 2.0}, {3: 0.4}, 0.4) == pytest.approx({1: 0.5, 2: 0.125, 3: 0.5})
    assert blended({}, {}, 0.0) == {}


@given(BM25, COSINES)
def test_what_is_best_by_both_is_best_and_all_that_was_found_is_there(
    lexical: dict[int, float], vector: dict[int, float]
) -> None:
    scores = blended(lexical, vector, min(vector.values(), default=0.0))
    assert scores.keys() == lexical.keys() | vector.keys()
    assert all(0 <= score <= 1 for score in scores.values())
    for one in lexical.keys() & vector.keys():
        for other in lexical.keys() & vector.keys():
            if lexical[one] >= lexical[other] and vector[one] >= vector[other]:
                assert scores[one] >= scores[other]
