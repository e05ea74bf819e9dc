"""Recall: of the examples that have a label, how many were given it; the mean over labels."""

from collections.abc import Sequence
from typing import Any

from danlu.evaluate import counting
from danlu.evaluate.metric import Floats, Metric


class Recall(Metric):
    """Mean recall over all labels of the task; 0 for a label that does not occur."""

    def counts(self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str]) -> Floats:
        """(N, 3L): true positives, false positives, false negatives."""
        return counting.of_labels(gold, predicted, labels)

    def value(self, totals: Floats) -> Floats:
        """Mean of the labels' recall: (..., 3L) to (...)."""
        return counting.mean(counting.recall(totals))

    def by_label(self, totals: Floats, labels: Sequence[str]) -> dict[str, float]:
        """Recall of each label."""
        return counting.named(counting.recall(totals), labels)
