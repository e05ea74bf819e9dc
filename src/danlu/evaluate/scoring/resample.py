"""The bootstrap: how much a score would move if other examples had been drawn (Efron 1979).

Shapes: N examples, R resamples, K counts an example.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np

from danlu.evaluate.scoring.metric import Floats
from danlu.refusal import Refusal

FEWEST, MOST = 100, 100_000
"""Resamples: 1,000 settle an interval to a fiftieth of its width, 100,000 to a five hundredth."""

CHUNK = 2**20  # drawn positions held at a time, 8 MB


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


def resampled_totals(counts: Sequence[Floats], resamples: int, seed: int) -> list[Floats]:
    """Sums of each of several counts (N, K) over the same R draws of N examples with replacement: (R, K) each.

    The draws depend on `seed`, N and `resamples` alone, so sums of different calls are paired too.
    """
    examples = len(counts[0])
    rng = np.random.default_rng(seed)
    at_once = max(1, CHUNK // examples)
    totals: list[list[Floats]] = [[] for _ in counts]
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        drawn = rng.integers(0, examples, (rows, examples)) + np.arange(rows)[:, None] * examples
        times = np.bincount(drawn.ravel(), minlength=rows * examples).reshape(rows, examples).astype(np.float64)
        for sums, each in zip(totals, counts, strict=True):
            sums.append(times @ each)
    return [np.concatenate(sums) for sums in totals]


def interval(value: Floats | float, samples: Floats) -> Interval:
    """The value with the 2.5th and 97.5th percentile of the resampled values (R,).

    Draws in which there was nothing to measure (NaN) tell nothing of the value, and are left out.
    """
    measured = samples[~np.isnan(samples)]
    with np.errstate(invalid="ignore"):
        low, high = np.quantile(measured, [0.025, 0.975]) if len(measured) else (np.nan, np.nan)
    return Interval(float(value), float(low), float(high))


def independent_difference(ours: Interval, theirs: Interval) -> Interval:
    """The difference of two values measured on different examples, from their intervals (Zou and Donner 2008)."""
    value = ours.value - theirs.value
    below = sqrt((ours.value - ours.low) ** 2 + (theirs.high - theirs.value) ** 2)
    above = sqrt((ours.high - ours.value) ** 2 + (theirs.value - theirs.low) ** 2)
    return Interval(value, value - below, value + above)
