"""Shares and their 95 % intervals without resampling, which also say something where all or none are right."""

from collections.abc import Sequence
from math import sqrt

from danlu.evaluate.scoring.resample import Interval

Z = 1.959963984540054
"""The 97.5th percentile of the normal distribution."""


def share_of(count: float, total: int) -> Interval:
    """The share of `count` in `total` with its score interval (Wilson, 1927).

    Halves and other fractions may be counted too; they vary less than whole ones, so the interval is rather too wide.
    """
    share = count / total
    middle = (share + Z * Z / (2 * total)) / (1 + Z * Z / total)
    half = Z / (1 + Z * Z / total) * sqrt(share * (1 - share) / total + Z * Z / (4 * total * total))
    low = 0.0 if count == 0 else middle - half
    return Interval(share, low, 1.0 if count == total else middle + half)


def mean_of(each: Sequence[Interval]) -> Interval:
    """The mean of shares that were measured apart, with an interval from theirs (Zou and Donner, 2008)."""
    value = sum(one.value for one in each) / len(each)
    below = sqrt(sum((one.value - one.low) ** 2 for one in each)) / len(each)
    above = sqrt(sum((one.high - one.value) ** 2 for one in each)) / len(each)
    return Interval(value, value - below, value + above)
