"""Micro F1: F1 of the counts added up over all labels (Yang and Liu 1999)."""

from collections.abc import Sequence
from typing import Any

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Floats, Metric


class MicroF1(Metric):
    """F1 of the counts added up over labels; with one label an example it equals accuracy."""

    def counts(self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str]) -> Floats:
        """(N, 3L): true positives, false positives, false negatives."""
        return counting.of_labels(gold, predicted, labels)

    def value(self, totals: Floats) -> Floats:
        """F1 of the sums: (..., 3L) to (...)."""
        return counting.micro(counting.f1, totals)

    def by_label(self, totals: Floats, labels: Sequence[str]) -> dict[str, float]:
        """F1 of each label."""
        return counting.by_label(counting.f1, totals, labels)
