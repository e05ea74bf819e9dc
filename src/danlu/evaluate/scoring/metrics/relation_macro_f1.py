"""Relation F1, macro: the official score of SemEval-2010 task 8 (Hendrickx et al., 2010)."""

from typing import ClassVar

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Counts, Floats, SumMetric
from danlu.evaluate.scoring.relations import kind_of, of_relations
from danlu.evaluate.scoring.side import Side


class RelationMacroF1(SumMetric):
    """Mean F1 of the relations, both directions of one counted together; "Other" and the like have no part in the mean.

    An answer in the wrong direction is wrong: "(9+1)-way evaluation with directionality taken into account".
    """

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("label",)

    def counts(self, side: Side) -> Counts:
        """(N, 3L): true positives, false positives, false negatives of the relations without direction."""
        return of_relations(side, kind_of)

    def value(self, totals: Floats) -> Floats:
        """Mean of the F1 of the relations that stand in the truth or in the answers: (..., 3L) to (...)."""
        return counting.macro(counting.f1, totals)
