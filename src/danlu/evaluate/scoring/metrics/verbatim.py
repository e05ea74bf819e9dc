"""The share of answers that are a right text to the letter, as code has to be."""

from collections.abc import Iterable
from typing import ClassVar

from danlu.evaluate.scoring.metric import MeanMetric
from danlu.evaluate.scoring.side import Side


class Verbatim(MeanMetric):
    """Share of answers that are one of the right texts, case, punctuation and white space included."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("excerpt", "text")

    def of_each(self, side: Side) -> Iterable[float]:
        """1 where it is one of the right texts, else 0."""
        return (float(answer in truths) for truths, (answer,) in zip(side.gold, side.values, strict=True))
