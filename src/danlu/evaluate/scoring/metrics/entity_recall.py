"""Entity recall: of the entities there are, how many were found exactly (Tjong Kim Sang and De Meulder 2003)."""

from collections.abc import Sequence
from typing import Any

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Floats, Metric


class EntityRecall(Metric):
    """Share of the true entities found with the right start, end and label; 0 if there is none and some were found."""

    def counts(self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str]) -> Floats:
        """(N, 3L): entities that are right, wrongly found, and missed."""
        return counting.of_spans(gold, predicted, labels)

    def value(self, totals: Floats) -> Floats:
        """From the sums over labels: (..., 3L) to (...)."""
        return counting.micro(counting.recall, totals)

    def by_label(self, totals: Floats, labels: Sequence[str]) -> dict[str, float]:
        """The same for the entities of each label."""
        return counting.by_label(counting.recall, totals, labels)
