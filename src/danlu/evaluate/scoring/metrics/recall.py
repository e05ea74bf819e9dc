"""Recall: of the examples that have a label, how many were given it; the mean over labels."""

from collections.abc import Sequence
from typing import Any

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Floats, Metric


class Recall(Metric):
    """Mean recall over the labels in the truth or in the answers; 0 for one that is given and does not occur."""

    def counts(self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str]) -> Floats:
        """(N, 3L): true positives, false positives, false negatives."""
        return counting.of_labels(gold, predicted, labels)

    def value(self, totals: Floats) -> Floats:
        """Mean of the labels' recall: (..., 3L) to (...)."""
        return counting.macro(counting.recall, totals)

    def by_label(self, totals: Floats, labels: Sequence[str]) -> dict[str, float]:
        """Recall of each label."""
        return counting.by_label(counting.recall, totals, labels)
