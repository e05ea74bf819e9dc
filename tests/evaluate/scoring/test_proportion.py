"""Intervals of shares, beside scipy's and beside what simulated shares do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from danlu.evaluate.scoring.proportion import mean_of, share_of


@given(total=st.integers(1, 500), data=st.data())
def test_the_interval_of_a_share_is_scipys(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    found = share_of(count, total)
    right = binomtest(count, total).proportion_ci(0.95, "wilson")
    assert found.value == count / total
    assert (found.low, found.high) == pytest.approx((right.low, right.high), abs=1e-9)


def test_the_interval_of_a_mean_of_shares_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    truths, sizes = np.array([0.3, 0.6, 0.9, 0.25]), np.array([40, 20, 30, 100])
    held = 0
    for counts in rng.binomial(sizes, truths, (1000, 4)):
        found = mean_of([share_of(int(count), int(size)) for count, size in zip(counts, sizes, strict=True)])
        held += found.low <= truths.mean() <= found.high
    assert 0.93 < held / 1000 < 0.98
