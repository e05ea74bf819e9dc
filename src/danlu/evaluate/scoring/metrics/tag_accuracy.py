"""Tag accuracy: the share of words whose tag is right, as parts of speech are scored (Marcus et al., 1993)."""

from typing import ClassVar

import numpy as np

from danlu.evaluate.scoring.metric import Counts, Floats, SumMetric
from danlu.evaluate.scoring.side import Side


class TagAccuracy(SumMetric):
    """Share of the words in the truth that have the right tag; a word that is not found as such has none."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("spans",)

    def counts(self, side: Side) -> Counts:
        """(N, 2): words with the right tag, and all."""
        return np.array(
            [(len(true & given), len(true)) for true, given in zip(side.gold, side.values, strict=True)], np.float64
        ).reshape(-1, 2)

    def value(self, totals: Floats) -> Floats:
        """From the sums: (..., 2) to (...); NaN where there is no word."""
        with np.errstate(invalid="ignore"):
            share: Floats = totals[..., 0] / totals[..., 1]
        return share
