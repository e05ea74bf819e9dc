"""Macro F1: the mean over labels of each label's F1 (Yang and Liu 1999)."""

from collections.abc import Sequence
from typing import Any

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Floats, Metric


class MacroF1(Metric):
    """Mean F1 over the labels in the truth or in the answers, rare ones counting as much as frequent ones."""

    def counts(self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str]) -> Floats:
        """(N, 3L): true positives, false positives, false negatives."""
        return counting.of_labels(gold, predicted, labels)

    def value(self, totals: Floats) -> Floats:
        """Mean of the labels' F1: (..., 3L) to (...)."""
        return counting.macro(counting.f1, totals)

    def by_label(self, totals: Floats, labels: Sequence[str]) -> dict[str, float]:
        """F1 of each label."""
        return counting.by_label(counting.f1, totals, labels)
