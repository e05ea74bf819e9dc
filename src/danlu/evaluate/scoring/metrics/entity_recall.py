"""Entity recall: of the entities there are, how many were found exactly (Tjong Kim Sang and De Meulder 2003)."""

from typing import ClassVar

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Counts, Floats, SumMetric
from danlu.evaluate.scoring.side import Side


class EntityRecall(SumMetric):
    """Share of the true entities found with the right start, end and label; 0 if there is none and some were found."""

    forms: ClassVar[tuple[str, ...]] = ("spans",)

    def counts(self, side: Side) -> Counts:
        """(N, 3L): entities that are right, wrongly found, and missed."""
        return counting.of_marks(side)

    def value(self, totals: Floats) -> Floats:
        """From the sums over labels: (..., 3L) to (...)."""
        return counting.micro(counting.recall, totals)

    def by_label(self, prepared: Counts, side: Side) -> dict[str, float]:
        """The same for the entities of each label."""
        return counting.by_label(counting.recall, prepared, side.labels)
