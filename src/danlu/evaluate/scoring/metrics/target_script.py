"""Whether answers are written in the script of the right texts: a model may answer in the wrong language."""

from typing import ClassVar

import numpy as np

from danlu.evaluate.scoring.metric import Floats, SumMetric
from danlu.evaluate.scoring.side import Side
from danlu.evaluate.scoring.written import letters, right_texts, scripts


class TargetScript(SumMetric):
    """Share of the letters of all answers that are of a script in which the right texts are written."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("text",)

    def counts(self, side: Side) -> Floats:
        """(N, 2): letters of such a script, and letters."""
        meant = scripts(right_texts(side))
        every = [letters(given) for (given,) in side.values]
        return np.array([[sum(each[kind] for kind in meant), each.total()] for each in every], np.float64).reshape(
            -1, 2
        )

    def value(self, totals: Floats) -> Floats:
        """One for the other: (..., 2) to (...); NaN where no answer has a letter."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(totals[..., 1] > 0, totals[..., 0] / totals[..., 1], np.nan)
