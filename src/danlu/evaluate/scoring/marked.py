"""Metrics of the marks of answers, such as labels or spans: how many are right, wrongly given, and missed."""

from typing import ClassVar, Literal

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Counts, Floats, SumMetric
from danlu.evaluate.scoring.side import Side

MEASURES: dict[str, counting.Measure] = {
    "f1": counting.f1,
    "precision": counting.precision,
    "recall": counting.recall,
}


class Marked(SumMetric):
    """A measure of each label, and one number for all of them."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    measure: ClassVar[Literal["f1", "precision", "recall"]]
    """Of each label; a function of `counting`."""

    averaged: ClassVar[Literal["macro", "micro"]]
    """Over all: the mean over labels, or the measure of counts added up over them."""

    def counts(self, side: Side) -> Counts:
        """(N, 3L): marks that are right, wrongly given, and missed."""
        return counting.of_marks(side)

    def value(self, totals: Floats) -> Floats:
        """From the sums: (..., 3L) to (...)."""
        average = {"macro": counting.macro, "micro": counting.micro}[self.averaged]
        return average(MEASURES[self.measure], totals)

    def by_label(self, prepared: Counts, side: Side) -> dict[str, float]:
        """The measure of each label."""
        return counting.by_label(MEASURES[self.measure], prepared, side.labels)
