"""Exact match: the share of answers that are one of the right texts to the letter."""

from collections.abc import Iterable
from typing import ClassVar

from danlu.evaluate.scoring.metric import MeanMetric
from danlu.evaluate.scoring.side import Side


class ExactMatch(MeanMetric):
    """Share of answers that are one of the right texts; how white space is laid out does not matter."""

    forms: ClassVar[tuple[str, ...]] = ("text",)

    def of_each(self, side: Side) -> Iterable[float]:
        """1 where it is one, else 0."""
        for right, (given,) in zip(side.gold, side.values, strict=True):
            yield float(given.split() in [text.split() for text in right])
