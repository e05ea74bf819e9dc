"""Exact match: the share of answers that say what a right text says (Rajpurkar et al., 2016; Cui et al., 2019)."""

from collections.abc import Iterable
from typing import ClassVar

from danlu.answer.matching import one_of
from danlu.evaluate.scoring.metric import MeanMetric
from danlu.evaluate.scoring.side import Side


class ExactMatch(MeanMetric):
    """Share of answers that are right but for case and punctuation, in English for articles and white space as well.

    Which of the two holds is told by the script of each right text (`danlu.answer.matching`).
    """

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("excerpt", "text")

    def of_each(self, side: Side) -> Iterable[float]:
        """1 where it says the same as one of the right texts, else 0."""
        return (float(one_of(truths, answer)) for truths, (answer,) in zip(side.gold, side.values, strict=True))
