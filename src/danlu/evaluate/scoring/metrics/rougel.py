"""ROUGE-L (Lin, 2004): the longest sequence of units that stands in both texts in this order."""

from collections import defaultdict
from collections.abc import Sequence

from danlu.evaluate.scoring.rouge import Rouge


class RougeL(Rouge):
    """F1 of the longest common subsequence of units."""

    def shared(self, given: Sequence[str], right: Sequence[str]) -> tuple[int, int, int]:
        """See `Rouge.shared`."""
        return _longest_common(given, right), len(given), len(right)


def _longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Its length, a row of the table at a time as the bits of a number (Hyyrö, 2004)."""
    places: defaultdict[str, int] = defaultdict(int)
    for place, unit in enumerate(one):
        places[unit] |= 1 << place
    full = (1 << len(one)) - 1
    row = full
    for unit in other:
        matched = row & places[unit]
        row = ((row + matched) | (row - matched)) & full
    return len(one) - row.bit_count()
