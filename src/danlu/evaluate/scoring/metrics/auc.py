"""Area under the ROC curve, each label against the rest: how well its score ranks (Hanley and McNeil, 1982).

Shapes: N examples, L labels, R draws, P groups of equal scores that hold an example with the label.
"""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.columns import Columns
from danlu.evaluate.scoring.metric import Floats, Metric
from danlu.evaluate.scoring.side import Side

AT_ONCE = 32  # labels whose scores are in memory: 26 MB at 100,000 examples


class Auc(Metric):
    """Probability that an example with a label has a higher score for it than one without; mean over the labels.

    Labels that all examples have, or none, count in no mean. It is no function of sums: every draw is ranked.
    """

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("label", "labels")
    needs_scores: ClassVar[bool] = True

    def prepared(self, side: Side) -> tuple[Any, Columns]:
        """Which examples have which label, (N, L), and the scores."""
        assert isinstance(side.scores, Columns)
        return counting.of_truths(side).tocsc(), side.scores

    def drawn(self, prepared: tuple[Any, Columns], draws: Iterable[Floats]) -> Floats:
        """Mean of the areas of the labels in each draw, (R,)."""
        total, count = np.zeros(1), np.zeros(1)
        for _, area_R in _areas(*prepared, draws):
            there_R = ~np.isnan(area_R)
            total, count = total + np.where(there_R, area_R, 0.0), count + there_R
        with np.errstate(invalid="ignore"):
            return total / count

    def by_label(self, prepared: tuple[Any, Columns], side: Side) -> dict[str, float]:
        """The area of each label."""
        areas = _areas(*prepared, [np.ones((1, len(side.gold)))])
        return {side.labels[place]: float(area[0]) for place, area in areas if not np.isnan(area[0])}


def _areas(truth_NL: Any, scores: Columns, draws: Iterable[Floats]) -> Iterator[tuple[int, Floats]]:
    """The number of each label, and its area in each draw, (R,)."""
    for start in range(0, scores.width, AT_ONCE):
        end = min(start + AT_ONCE, scores.width)
        scores_NL = scores.columns(start, end)
        curves = [_Curve(scores_NL[:, place - start], truth_NL[:, [place]].indices) for place in range(start, end)]
        found = [[curve.area(times) for curve in curves] for times in draws]
        yield from ((start + place, np.concatenate(areas)) for place, areas in enumerate(zip(*found, strict=True)))


class _Curve:
    """The examples with a label and those without (M), each in the order of their scores."""

    def __init__(self, scores_N: Floats, having: NDArray[np.int64]) -> None:
        rest_N = np.ones(len(scores_N), np.bool_)
        rest_N[having] = False
        rest = np.flatnonzero(rest_N)
        self.having = having[np.argsort(scores_N[having], kind="stable")]
        self.without_M = rest[np.argsort(scores_N[rest], kind="stable")]
        values_P, self.starts_P = np.unique(scores_N[self.having], return_index=True)
        ranked_M = scores_N[self.without_M]
        self.below_P, self.upto_P = (np.searchsorted(ranked_M, values_P, side) for side in ("left", "right"))

    def area(self, times_RN: Floats) -> Floats:
        """The share of pairs that are in order, those of equal scores counting half, (R,)."""
        if not len(self.having):
            return np.full(len(times_RN), np.nan)
        having_RP = np.add.reduceat(times_RN.take(self.having, 1), self.starts_P, axis=1)
        lower_RM = np.zeros((len(times_RN), len(self.without_M) + 1))  # how many lie below each place
        np.cumsum(times_RN.take(self.without_M, 1), 1, out=lower_RM[:, 1:])
        pairs_R = (having_RP * (lower_RM[:, self.below_P] + lower_RM[:, self.upto_P]) / 2).sum(1)
        with np.errstate(invalid="ignore"):
            area: Floats = pairs_R / (having_RP.sum(1) * lower_RM[:, -1])
        return area
