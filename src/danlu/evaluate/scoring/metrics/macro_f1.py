"""Macro F1: the mean over labels of each label's F1 (Yang and Liu 1999)."""

from typing import ClassVar

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Counts, Floats, SumMetric
from danlu.evaluate.scoring.side import Side


class MacroF1(SumMetric):
    """Mean F1 over the labels in the truth or in the answers, rare ones counting as much as frequent ones."""

    forms: ClassVar[tuple[str, ...]] = ("label", "labels")

    def counts(self, side: Side) -> Counts:
        """(N, 3L): true positives, false positives, false negatives."""
        return counting.of_marks(side)

    def value(self, totals: Floats) -> Floats:
        """Mean of the labels' F1: (..., 3L) to (...)."""
        return counting.macro(counting.f1, totals)

    def by_label(self, prepared: Counts, side: Side) -> dict[str, float]:
        """F1 of each label."""
        return counting.by_label(counting.f1, prepared, side.labels)
