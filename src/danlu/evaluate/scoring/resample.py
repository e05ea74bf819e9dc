"""The bootstrap: how much a score would move if other examples had been drawn (Efron 1979).

Shapes: N examples, R resamples.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from danlu.evaluate.scoring.metric import Floats
from danlu.refusal import Refusal

FEWEST, MOST = 100, 100_000
"""Resamples: 1,000 settle an interval to a fiftieth of its width, 100,000 to a five hundredth."""

CHUNK = 2**20  # drawn positions held at a time, 8 MB
KEPT = 2**23  # drawn positions that are kept for the next metric, 32 MB


def refuse_resamples(resamples: int) -> None:
    """Raise `Refusal` for a number of draws that says nothing, or would never end."""
    if not FEWEST <= resamples <= MOST:
        raise Refusal(
            f"resamples {resamples:,}: expected {FEWEST} to {MOST:,} draws; 1,000 are enough for an interval of 95 %"
        )


@dataclass(frozen=True)
class Interval:
    """A value and the 95 % interval around it."""

    value: float
    low: float
    high: float

    def to_plain(self) -> dict[str, float | None]:
        """The three numbers, None where one is not finite (JSON has no infinity)."""
        named = {"value": self.value, "low": self.low, "high": self.high}
        return {name: number if isfinite(number) else None for name, number in named.items()}


class Draws:
    """R draws of N examples with replacement, each told by how often every example is in it; some at a time, (r, N).

    They depend on N, R and the seed alone, so what is measured of them is paired, and they can be gone through again.
    """

    def __init__(self, examples: int, resamples: int, seed: int) -> None:
        """The draws of `examples` examples."""
        self.examples = examples
        self.resamples = resamples
        self.seed = seed
        self._kept: list[NDArray[np.uint32]] = []

    def __iter__(self) -> Iterator[Floats]:
        """The draws in order; those of few examples are kept for the next time."""
        if self._kept:
            yield from (times.astype(np.float64) for times in self._kept)
            return
        kept: list[NDArray[np.uint32]] = []
        for times in self._drawn():
            if self.examples * self.resamples <= KEPT:
                kept.append(times.astype(np.uint32))
            yield times.astype(np.float64)
        self._kept = kept

    def _drawn(self) -> Iterator[NDArray[np.int64]]:
        rng = np.random.default_rng(self.seed)
        at_once = max(1, CHUNK // self.examples)
        for start in range(0, self.resamples, at_once):
            rows = min(at_once, self.resamples - start)
            drawn = rng.integers(0, self.examples, (rows, self.examples)) + np.arange(rows)[:, None] * self.examples
            yield np.bincount(drawn.ravel(), minlength=rows * self.examples).reshape(rows, self.examples)


def interval(value: Floats | float, samples: Floats) -> Interval:
    """The value with the 2.5th and 97.5th percentile of the resampled values (R,).

    Draws in which there was nothing to measure (NaN) tell nothing of the value, and are left out.
    """
    measured = samples[~np.isnan(samples)]
    with np.errstate(invalid="ignore"):
        low, high = np.quantile(measured, [0.025, 0.975]) if len(measured) else (np.nan, np.nan)
    return Interval(float(value), float(low), float(high))


def chance(value: float, samples: Floats, examples: int) -> float:
    """How often a difference as large, either way, would be drawn where there is none (Efron and Tibshirani, 1993).

    The draws (R,) of `examples` examples are moved so that their truth is 0; where all are the same, as of a single
    example, it is how often so many signs agree (mid-p of the sign test). NaN where no draw had anything to measure.
    """
    measured = samples[~np.isnan(samples)]
    if not len(measured) or not isfinite(value):
        return float("nan")
    if value and np.ptp(measured) <= 1e-12:
        return max(0.5**examples, 1 / (1 + len(measured)))
    as_large = np.abs(measured - value) >= abs(value) - 1e-12
    return float((1 + as_large.sum()) / (1 + len(measured)))


def independent_difference(ours: Interval, theirs: Interval) -> Interval:
    """The difference of two values measured on different examples, from their intervals (Zou and Donner 2008)."""
    value = ours.value - theirs.value
    below = sqrt((ours.value - ours.low) ** 2 + (theirs.high - theirs.value) ** 2)
    above = sqrt((ours.high - ours.value) ** 2 + (theirs.value - theirs.low) ** 2)
    return Interval(value, value - below, value + above)
