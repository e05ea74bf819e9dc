"""Hamming loss: the share of decisions, one a label and example, that are wrong (Schapire and Singer, 2000)."""

from collections.abc import Iterable
from typing import ClassVar

from danlu.evaluate.scoring.metric import MeanMetric
from danlu.evaluate.scoring.side import Side


class Hamming(MeanMetric):
    """Share of labels that are wrongly given or missed, of all labels of all examples; 0 is perfect."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    higher_is_better: ClassVar[bool] = False
    forms: ClassVar[tuple[str, ...]] = ("labels",)

    def of_each(self, side: Side) -> Iterable[float]:
        """The share of the labels that are wrongly given or missed."""
        return (len(true ^ given) / len(side.labels) for true, given in zip(side.gold, side.values, strict=True))
