import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.splitting.mix import Mix
from danlu.refusal import Refusal

SOURCES = np.array([0] * 900 + [1] * 100)


def taken(copies: np.ndarray) -> list[int]:
    return [int(copies[source == SOURCES].sum()) for source in (0, 1)]


def test_weights_and_temperature_set_the_shares() -> None:
    assert taken(Mix(weights=[1, 1]).copies(SOURCES, 2, 0)) == [500, 500]
    assert taken(Mix(weights=[3, 1], rows=200).copies(SOURCES, 2, 0)) == [150, 50]
    assert taken(Mix().copies(SOURCES, 2, 0)) == [900, 100]
    assert taken(Mix(temperature=2).copies(SOURCES, 2, 0)) == [750, 250]  # square roots of 900 and 100: 30 to 10
    assert taken(Mix(temperature=1000).copies(SOURCES, 2, 0))[1] in range(495, 501)


@given(st.lists(st.floats(0.1, 9), min_size=2, max_size=2), st.integers(1, 3000), st.integers(0, 9))
def test_rows_add_up_and_no_row_is_taken_twice_more_than_another(weights: list[float], rows: int, seed: int) -> None:
    copies = Mix(weights=weights, rows=rows).copies(SOURCES, 2, seed)
    assert copies.sum() == rows
    for source in (0, 1):
        of_source = copies[source == SOURCES]
        assert of_source.max() - of_source.min() <= 1
        assert abs(of_source.sum() - rows * weights[source] / sum(weights)) <= 1


def test_the_seed_alone_decides_which_rows_are_taken() -> None:
    once, again, other = (Mix(weights=[1, 9]).copies(SOURCES, 2, seed).tolist() for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_what_cannot_be_mixed_is_refused() -> None:
    with pytest.raises(Refusal, match="has 3 weights for 2 sources"):
        Mix(weights=[1, 1, 1]).copies(SOURCES, 2, 0)
    with pytest.raises(Refusal, match="source 3 of 'data' has no row left"):
        Mix().copies(SOURCES, 3, 0)
    with pytest.raises(Refusal, match="source 2 of 'data' has 100 rows, which 'mix' would repeat more than 1000 times"):
        Mix(weights=[1, 1e6], rows=10**6).copies(SOURCES, 2, 0)
    with pytest.raises(ValueError, match="every weight must be above 0"):
        Mix(weights=[1, 0])
    with pytest.raises(ValueError, match="give weights or a temperature"):
        Mix(weights=[1, 1], temperature=2)
