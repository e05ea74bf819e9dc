"""Relation F1, micro: as in TACRED (Zhang et al., 2017)."""

from typing import ClassVar

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Counts, Floats, SumMetric
from danlu.evaluate.scoring.relations import of_relations
from danlu.evaluate.scoring.side import Side


class RelationMicroF1(SumMetric):
    """F1 of the counts added up over relations, direction included, but for "no relation", "Other" and the like.

    `micro_f1` counts these too.
    """

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("label",)

    def counts(self, side: Side) -> Counts:
        """(N, 3L): true positives, false positives, false negatives."""
        return of_relations(side)

    def value(self, totals: Floats) -> Floats:
        """F1 of the sums: (..., 3L) to (...)."""
        return counting.micro(counting.f1, totals)
