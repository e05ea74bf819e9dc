"""ROUGE-1 (Lin, 2004): single units that stand in both texts."""

from collections.abc import Sequence

from danlu.evaluate.scoring.rouge import Rouge
from danlu.evaluate.scoring.written import runs


class Rouge1(Rouge):
    """F1 of single units, each as often as it stands in both."""

    def shared(self, given: Sequence[str], right: Sequence[str]) -> tuple[int, int, int]:
        """See `Rouge.shared`."""
        answer, truth = runs(given, 1), runs(right, 1)
        return (answer & truth).total(), answer.total(), truth.total()
