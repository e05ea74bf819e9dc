"""Subset accuracy: the share of examples with exactly the right set of labels (Tsoumakas and Katakis, 2007)."""

from collections.abc import Iterable
from typing import ClassVar

from danlu.evaluate.scoring.metric import MeanMetric
from danlu.evaluate.scoring.side import Side


class SubsetAccuracy(MeanMetric):
    """Share of examples of which no label is missed and none is wrongly given."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("labels",)

    def of_each(self, side: Side) -> Iterable[float]:
        """1 where the set is right, else 0."""
        return (float(true == given) for true, given in zip(side.gold, side.values, strict=True))
