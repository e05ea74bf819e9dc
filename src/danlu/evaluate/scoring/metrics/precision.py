"""Precision: of the examples given a label, how many have it; the mean over labels."""

from typing import ClassVar

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Counts, Floats, SumMetric
from danlu.evaluate.scoring.side import Side


class Precision(SumMetric):
    """Mean precision over the labels in the truth or in the answers; 0 for one that was never given."""

    forms: ClassVar[tuple[str, ...]] = ("label", "labels")

    def counts(self, side: Side) -> Counts:
        """(N, 3L): true positives, false positives, false negatives."""
        return counting.of_marks(side)

    def value(self, totals: Floats) -> Floats:
        """Mean of the labels' precision: (..., 3L) to (...)."""
        return counting.macro(counting.precision, totals)

    def by_label(self, prepared: Counts, side: Side) -> dict[str, float]:
        """Precision of each label."""
        return counting.by_label(counting.precision, prepared, side.labels)
