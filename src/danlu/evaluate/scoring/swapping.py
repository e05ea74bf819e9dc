"""Answers swapped at random: how far two sides lie apart where it does not matter who gave which (Noreen, 1989).

Shapes: N examples, M of them counted otherwise for the two sides, K counts, R ways to swap.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from danlu.evaluate.scoring.metric import Counts, Floats, SumMetric
from danlu.evaluate.scoring.resample import CHUNK

ALL = 10
"""Examples of which every way to swap them is gone through; of more, some are drawn."""


def chance_by_swaps(metric: SumMetric, ours: Counts, theirs: Counts, resamples: int, seed: int) -> float:
    """How often a difference as large, either way, comes of swapping the counts (N, K) of each example or not.

    It holds for few examples too, where draws of them do not: a difference as large counts half (mid-p, as in
    `mcnemar`). NaN where it cannot be told, for there are numbers that are not finite.
    """
    totals = [np.asarray(each.sum(0), np.float64) for each in (ours, theirs)]
    if not all(np.isfinite(each).all() for each in totals):
        return float("nan")
    gap = abs(float(metric.value(totals[0]) - metric.value(totals[1])))
    apart_NK = ours.astype(np.float64) - theirs.astype(np.float64)
    differing = np.flatnonzero(np.asarray(abs(apart_NK).sum(1)).ravel())
    if not gap > 0 or not len(differing):
        return float("nan") if np.isnan(gap) else 1.0
    apart_MK = apart_NK[differing]
    found = np.concatenate(
        [_gaps(metric, totals, swaps @ apart_MK) for swaps in _swaps(len(differing), resamples, seed)]
    )
    found = found[~np.isnan(found)]
    near = 1e-9 * max(1.0, gap)
    larger, same = int((found > gap + near).sum()), int((abs(found - gap) <= near).sum())
    drawn = int(len(differing) > ALL)  # what is seen is one of the draws as well
    return (drawn + larger + same / 2) / (drawn + len(found))


def _gaps(metric: SumMetric, totals: Sequence[Floats], moved_RK: Floats) -> Floats:
    """How far apart the sides lie, (R,), once so much of the counts of one is the other's."""
    found: Floats = np.abs(metric.value(totals[0] - moved_RK) - metric.value(totals[1] + moved_RK))
    return found


def _swaps(count: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Ways to swap (r, M), all of them or so many, some at a time."""
    if count <= ALL:
        yield (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(np.float64)
        return
    rng = np.random.default_rng(seed)
    at_once = max(1, CHUNK // count)
    for start in range(0, resamples, at_once):
        yield rng.integers(0, 2, (min(at_once, resamples - start), count)).astype(np.float64)
