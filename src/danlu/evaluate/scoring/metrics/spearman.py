"""Spearman's correlation: how well the answers put the examples in the order of the truth (Spearman, 1904).

Shapes: N examples, R draws, G groups of equal numbers.
"""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from danlu.evaluate.scoring.metric import Floats, Metric
from danlu.evaluate.scoring.side import Side


class Spearman(Metric):
    """Correlation of the ranks, -1 to 1, equal numbers sharing theirs; no value where all are equal.

    It is no function of sums, so every draw is ranked anew.
    """

    bounds: ClassVar[tuple[float, float] | None] = (-1.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("number",)

    def prepared(self, side: Side) -> tuple["_Groups", "_Groups"]:
        """The groups of equal numbers of the truth and of the answers, in order."""
        return _Groups(np.array(side.gold, np.float64)), _Groups(np.array(side.values, np.float64))

    def drawn(self, prepared: tuple["_Groups", "_Groups"], draws: Iterable[Floats]) -> Floats:
        """Pearson's correlation of the ranks of each draw, (R,)."""
        true, given = prepared
        return np.concatenate([_correlation(true.ranks(times), given.ranks(times), times) for times in draws])


class _Groups:
    """Numbers (N,), grouped where they are equal."""

    def __init__(self, values_N: Floats) -> None:
        self.order: NDArray[np.int64] = np.argsort(values_N, kind="stable")
        _, self.starts_G, self.group_N = np.unique(values_N, return_index=True, return_inverse=True)
        self.starts_G = np.searchsorted(values_N[self.order], values_N[self.starts_G])

    def ranks(self, times_RN: Floats) -> Floats:
        """The rank of each example in each draw, the mean of the places that equal ones take, (R, N)."""
        size_RG = np.add.reduceat(times_RN[:, self.order], self.starts_G, axis=1)
        ranks_RG = size_RG.cumsum(1) - (size_RG - 1) / 2
        ranks: Floats = ranks_RG[:, self.group_N]
        return ranks


def _correlation(x_RN: Floats, y_RN: Floats, times_RN: Floats) -> Floats:
    middle = (times_RN.sum(1, keepdims=True) + 1) / 2  # the mean of all ranks, whatever is tied
    x_RN, y_RN = x_RN - middle, y_RN - middle
    of_x, of_y, both = ((times_RN * one * other).sum(1) for one, other in ((x_RN, x_RN), (y_RN, y_RN), (x_RN, y_RN)))
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where((of_x > 0) & (of_y > 0), both / np.sqrt(of_x * of_y), np.nan)
    return found
