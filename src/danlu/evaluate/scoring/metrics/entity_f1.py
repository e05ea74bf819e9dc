"""Entity F1: harmonic mean of entity precision and recall (Tjong Kim Sang and De Meulder 2003)."""

from typing import ClassVar

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Counts, Floats, SumMetric
from danlu.evaluate.scoring.side import Side


class EntityF1(SumMetric):
    """F1 of whole entities: start, end and label must all be right; counts added up over labels."""

    forms: ClassVar[tuple[str, ...]] = ("spans",)

    def counts(self, side: Side) -> Counts:
        """(N, 3L): entities that are right, wrongly found, and missed."""
        return counting.of_marks(side)

    def value(self, totals: Floats) -> Floats:
        """From the sums over labels: (..., 3L) to (...)."""
        return counting.micro(counting.f1, totals)

    def by_label(self, prepared: Counts, side: Side) -> dict[str, float]:
        """The same for the entities of each label."""
        return counting.by_label(counting.f1, prepared, side.labels)
