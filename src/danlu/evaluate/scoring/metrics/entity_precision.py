"""Entity precision: of the entities found, how many are exactly right (Tjong Kim Sang and De Meulder 2003)."""

from collections.abc import Sequence
from typing import Any

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Floats, Metric


class EntityPrecision(Metric):
    """Share of the entities found whose start, end and label are all right; 0 if none was found and some are there."""

    def counts(self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str]) -> Floats:
        """(N, 3L): entities that are right, wrongly found, and missed."""
        return counting.of_spans(gold, predicted, labels)

    def value(self, totals: Floats) -> Floats:
        """From the sums over labels: (..., 3L) to (...)."""
        return counting.micro(counting.precision, totals)

    def by_label(self, totals: Floats, labels: Sequence[str]) -> dict[str, float]:
        """The same for the entities of each label."""
        return counting.by_label(counting.precision, totals, labels)
