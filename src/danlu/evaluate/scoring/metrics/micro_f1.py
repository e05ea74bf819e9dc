"""Micro F1: F1 of the counts added up over all labels (Yang and Liu 1999)."""

from typing import ClassVar

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Counts, Floats, SumMetric
from danlu.evaluate.scoring.side import Side


class MicroF1(SumMetric):
    """F1 of the counts added up over labels; where each example has one, it equals accuracy."""

    forms: ClassVar[tuple[str, ...]] = ("label", "labels")

    def counts(self, side: Side) -> Counts:
        """(N, 3L): true positives, false positives, false negatives."""
        return counting.of_marks(side)

    def value(self, totals: Floats) -> Floats:
        """F1 of the sums: (..., 3L) to (...)."""
        return counting.micro(counting.f1, totals)

    def by_label(self, prepared: Counts, side: Side) -> dict[str, float]:
        """F1 of each label."""
        return counting.by_label(counting.f1, prepared, side.labels)
