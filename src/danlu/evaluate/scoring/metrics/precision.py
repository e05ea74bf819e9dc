"""Precision: of the examples given a label, how many have it; the mean over labels."""

from collections.abc import Sequence
from typing import Any

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Floats, Metric


class Precision(Metric):
    """Mean precision over the labels in the truth or in the answers; 0 for one that was never given."""

    def counts(self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str]) -> Floats:
        """(N, 3L): true positives, false positives, false negatives."""
        return counting.of_labels(gold, predicted, labels)

    def value(self, totals: Floats) -> Floats:
        """Mean of the labels' precision: (..., 3L) to (...)."""
        return counting.macro(counting.precision, totals)

    def by_label(self, totals: Floats, labels: Sequence[str]) -> dict[str, float]:
        """Precision of each label."""
        return counting.by_label(counting.precision, totals, labels)
