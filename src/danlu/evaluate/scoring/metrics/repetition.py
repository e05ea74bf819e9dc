"""How much of its own words an answer says again: what a model does that has lost its way (Holtzman et al., 2020)."""

from typing import ClassVar

import numpy as np

from danlu.evaluate.scoring.metric import Floats, SumMetric
from danlu.evaluate.scoring.side import Side
from danlu.evaluate.scoring.written import right_texts, runs, unit_of, units

_RUN = 4


class Repetition(SumMetric):
    """Share of runs of 4 units that stood earlier in the same answer."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    higher_is_better: ClassVar[bool] = False
    forms: ClassVar[tuple[str, ...]] = ("text",)

    def counts(self, side: Side) -> Floats:
        """(N, 2): runs that are said again, and runs."""
        every = [runs(given, _RUN) for given in units([given for (given,) in side.values])]
        return np.array([[there.total() - len(there), there.total()] for there in every], np.float64).reshape(-1, 2)

    def value(self, totals: Floats) -> Floats:
        """One for the other: (..., 2) to (...); 0 where no answer is long enough to say anything again."""
        return np.divide(totals[..., 0], totals[..., 1], out=np.zeros(totals.shape[:-1]), where=totals[..., 1] > 0)

    def definition(self, side: Side) -> str:
        """The unit."""
        return f"{_RUN} × {unit_of(right_texts(side))}"
