"""Intervals of shares, beside scipy's and beside what simulated shares do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from danlu.evaluate.scoring.metric import Metric
from danlu.evaluate.scoring.proportion import mean_of, share_of, widened
from danlu.evaluate.scoring.resample import Interval
from danlu.recipe.part import find, kinds


@given(total=st.integers(1, 500), data=st.data())
def test_the_interval_of_a_share_is_scipys(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    found = share_of(count, total)
    right = binomtest(count, total).proportion_ci(0.95, "wilson")
    assert found.value == count / total
    assert (found.low, found.high) == pytest.approx((right.low, right.high), abs=1e-9)


@given(examples=st.integers(1, 10_000), bounds=st.sampled_from([(0.0, 1.0), (0.0, 100.0), (-1.0, 1.0)]), data=st.data())
def test_only_an_interval_without_width_is_widened_and_within_the_bounds(
    examples: int, bounds: tuple[float, float], data: st.DataObject
) -> None:
    value = data.draw(st.floats(*bounds))
    found = widened(Interval(value, value, value), bounds, examples)
    assert bounds[0] - 1e-9 <= found.low <= value == found.value <= found.high <= bounds[1] + 1e-9
    assert found.high - found.low == pytest.approx((bounds[1] - bounds[0]) * (1 - share_of(examples, examples).low))
    for wide in (Interval(value, value - 1e-9, value), Interval(value, value, value + 1e-9), Interval(*[np.nan] * 3)):
        assert widened(wide, bounds, examples) is wide
    assert widened(Interval(value, value, value), None, examples) == Interval(value, value, value)


@pytest.mark.parametrize("count", [3, 7, 20, 1000])
def test_equal_fractions_whose_sums_differ_in_the_last_digit_are_equal(count: int) -> None:
    value = sum([2 / 3] * count) / count
    found = widened(Interval(value, 2 / 3, 2 / 3 + 1e-16), (0.0, 1.0), count)
    assert found.low < value < found.high


def test_what_can_be_as_large_as_may_be_says_no_bounds() -> None:
    found = {kind for kind in kinds(Metric) if find(Metric, kind).bounds is None}  # type: ignore[type-abstract]
    assert found == {"length_ratio", "mae", "mse", "nll", "perplexity", "reward_margin"}


def test_the_interval_of_a_mean_of_shares_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    truths, sizes = np.array([0.3, 0.6, 0.9, 0.25]), np.array([40, 20, 30, 100])
    held = 0
    for counts in rng.binomial(sizes, truths, (1000, 4)):
        found = mean_of([share_of(int(count), int(size)) for count, size in zip(counts, sizes, strict=True)])
        held += found.low <= truths.mean() <= found.high
    assert 0.93 < held / 1000 < 0.98
