"""Accuracy: the share of examples whose answer is right."""

from collections.abc import Iterable
from typing import ClassVar

from danlu.evaluate.scoring.metric import MeanMetric
from danlu.evaluate.scoring.side import Side


class Accuracy(MeanMetric):
    """Share of examples whose answer is right; for `tag`, sentences without any mistake."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    def of_each(self, side: Side) -> Iterable[float]:
        """1 where it is right, else 0."""
        return (float(side.form.right(true, given)) for true, given in zip(side.gold, side.values, strict=True))
