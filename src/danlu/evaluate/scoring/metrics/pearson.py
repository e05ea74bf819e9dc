"""Pearson's correlation: how well the answers lie on a line with the truth (Pearson, 1895)."""

from typing import ClassVar

import numpy as np

from danlu.evaluate.scoring.metric import Floats, SumMetric
from danlu.evaluate.scoring.side import Side

ROUNDING = 1e-12  # a variance below that share of the mean square is none


class Pearson(SumMetric):
    """Correlation of the answers with the truth, -1 to 1; no value where either is the same everywhere."""

    bounds: ClassVar[tuple[float, float] | None] = (-1.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("number",)
    counts_alike: ClassVar[bool] = False  # each side is counted from its own first answer

    def counts(self, side: Side) -> Floats:
        """(N, 6): 1, x, y, xx, yy, xy; counted from the first of each, so that large numbers cancel nothing out."""
        x, y = np.array(side.gold, np.float64), np.array(side.values, np.float64)
        x, y = x - x[:1], y - y[:1]
        return np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)

    def value(self, totals: Floats) -> Floats:
        """Covariance over both deviations: (..., 6) to (...)."""
        x, y, xx, yy, xy = (totals[..., place] / totals[..., 0] for place in range(1, 6))
        of_x, of_y = xx - x * x, yy - y * y
        spread = (of_x > ROUNDING * xx) & (of_y > ROUNDING * yy)
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Floats = np.where(spread, (xy - x * y) / np.sqrt(of_x * of_y), np.nan)
        return found
