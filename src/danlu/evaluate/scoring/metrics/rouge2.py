"""ROUGE-2 (Lin, 2004): pairs of units that stand in both texts."""

from collections.abc import Sequence

from danlu.evaluate.scoring.rouge import Rouge
from danlu.evaluate.scoring.written import runs


class Rouge2(Rouge):
    """F1 of pairs of units, each as often as it stands in both."""

    def shared(self, given: Sequence[str], right: Sequence[str]) -> tuple[int, int, int]:
        """See `Rouge.shared`."""
        answer, truth = runs(given, 2), runs(right, 2)
        return (answer & truth).total(), answer.total(), truth.total()
