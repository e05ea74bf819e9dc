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

    def counts(self, side: Side) -> Floats:
        """(N, 6): 1, x, y, xx, yy, xy; counted from the first truth, so that large numbers cancel nothing out."""
        x, y = np.array(side.gold, np.float64), np.array(side.values, np.float64)
        x, y = x - x[:1], y - x[:1]  # of both alike, for sides of one truth swap their counts
        return np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)

    def value(self, totals: Floats) -> Floats:
        """Covariance over both deviations: (..., 6) to (...)."""
        x, y, xx, yy, xy = (totals[..., place] / totals[..., 0] for place in range(1, 6))
        of_x, of_y = xx - x * x, yy - y * y
        spread = (of_x > ROUNDING * xx) & (of_y > ROUNDING * yy)
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Floats = np.where(spread, (xy - x * y) / np.sqrt(of_x * of_y), np.nan)
        return found
