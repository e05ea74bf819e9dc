"""How long answers are beside the right texts: far from 1, a model stops too early or goes on too long."""

from typing import ClassVar

import numpy as np

from danlu.evaluate.scoring.metric import Floats, SumMetric
from danlu.evaluate.scoring.side import Side
from danlu.evaluate.scoring.written import right_texts, unit_of, units


class LengthRatio(SumMetric):
    """Units of all answers for one of the right texts, of which the nearest in length counts; 1 is best."""

    forms: ClassVar[tuple[str, ...]] = ("text",)
    best: ClassVar[float | None] = 1.0

    def counts(self, side: Side) -> Floats:
        """(N, 2): units of the answer, and of the right text."""
        answers = [len(each) for each in units([given for (given,) in side.values])]
        truths = iter([len(each) for each in units(right_texts(side))])
        nearest = [
            min((next(truths) for _ in right), key=lambda length: (abs(length - answer), length))
            for answer, right in zip(answers, side.gold, strict=True)
        ]
        return np.array([answers, nearest], np.float64).T

    def value(self, totals: Floats) -> Floats:
        """One for the other: (..., 2) to (...); NaN where no right text has any."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(totals[..., 1] > 0, totals[..., 0] / totals[..., 1], np.nan)

    def definition(self, side: Side) -> str:
        """The unit."""
        return f"{unit_of(right_texts(side))}, 1 is best"
