"""Recall: of the examples that have a label, how many were given it; the mean over labels."""

from typing import ClassVar

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Counts, Floats, SumMetric
from danlu.evaluate.scoring.side import Side


class Recall(SumMetric):
    """Mean recall over the labels in the truth or in the answers; 0 for one that is given and does not occur."""

    forms: ClassVar[tuple[str, ...]] = ("label", "labels")

    def counts(self, side: Side) -> Counts:
        """(N, 3L): true positives, false positives, false negatives."""
        return counting.of_marks(side)

    def value(self, totals: Floats) -> Floats:
        """Mean of the labels' recall: (..., 3L) to (...)."""
        return counting.macro(counting.recall, totals)

    def by_label(self, prepared: Counts, side: Side) -> dict[str, float]:
        """Recall of each label."""
        return counting.by_label(counting.recall, prepared, side.labels)
