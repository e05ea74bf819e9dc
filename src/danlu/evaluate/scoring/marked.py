"""F1 of the marks of answers, such as labels or spans: the counts are added up over labels."""

from danlu.evaluate.scoring import counting
from danlu.evaluate.scoring.metric import Counts, Floats, SumMetric
from danlu.evaluate.scoring.side import Side


class MarkedF1(SumMetric):
    """F1 of the counts added up over labels (Yang and Liu 1999)."""

    def counts(self, side: Side) -> Counts:
        """(N, 3L): marks that are right, wrongly given, and missed."""
        return counting.of_marks(side)

    def value(self, totals: Floats) -> Floats:
        """From the sums over labels: (..., 3L) to (...)."""
        return counting.micro(counting.f1, totals)

    def by_label(self, prepared: Counts, side: Side) -> dict[str, float]:
        """The same for each label."""
        return counting.by_label(counting.f1, prepared, side.labels)
