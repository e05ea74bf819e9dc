"""Entity precision: of the entities found, how many are exactly right (Tjong Kim Sang and De Meulder 2003)."""

from typing import ClassVar

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Counts, Floats, SumMetric
from danlu.evaluate.scoring.side import Side


class EntityPrecision(SumMetric):
    """Share of the entities found whose start, end and label are all right; 0 if none was found and some are there."""

    forms: ClassVar[tuple[str, ...]] = ("spans",)

    def counts(self, side: Side) -> Counts:
        """(N, 3L): entities that are right, wrongly found, and missed."""
        return counting.of_marks(side)

    def value(self, totals: Floats) -> Floats:
        """From the sums over labels: (..., 3L) to (...)."""
        return counting.micro(counting.precision, totals)

    def by_label(self, prepared: Counts, side: Side) -> dict[str, float]:
        """The same for the entities of each label."""
        return counting.by_label(counting.precision, prepared, side.labels)
