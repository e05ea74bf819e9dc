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


def widened(found: Interval, bounds: tuple[float, float] | None, examples: int) -> Interval:
    """An interval without width, with what so many equal examples leave possible; any other one as it is.

    Draws of examples that are all right are all right as well, whatever there are, and yet of 20 one in six to come may
    be wrong. `bounds` are the least and the largest value of what was measured; None: it has none.
    """
    rounding = 1e-12 * max(1.0, abs(found.value))  # sums of equal fractions differ in their last digits
    if bounds is None or not max(found.high, found.value) - min(found.low, found.value) <= rounding:
        return found
    least, largest = bounds
    others = 1 - share_of(examples, examples).low
    low, high = found.value - others * (found.value - least), found.value + others * (largest - found.value)
    return Interval(found.value, low, high)


def mean_of(each: Sequence[Interval]) -> Interval:
    """The mean of shares that were measured apart, with an interval from theirs (Zou and Donner, 2008)."""
    value = sum(one.value for one in each) / len(each)
    below = sqrt(sum((one.value - one.low) ** 2 for one in each)) / len(each)
    above = sqrt(sum((one.high - one.value) ** 2 for one in each)) / len(each)
    return Interval(value, value - below, value + above)
