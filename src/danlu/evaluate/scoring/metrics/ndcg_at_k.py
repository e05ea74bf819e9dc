"""Normalised discounted cumulative gain at k (Jarvelin and Kekalainen, 2002)."""

from collections.abc import Sequence
from math import log2

from danlu.evaluate.scoring.ranks import RankMetric


class NdcgAtK(RankMetric):
    """Relevance at the first k places, that at place p divided by log2(p + 1), as a share of the best there can be."""

    def of_query(self, gains: Sequence[float], relevant: Sequence[float]) -> float:
        """The gain, as a share of that of the best order."""
        return _discounted(gains) / _discounted(relevant[: self.k])


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / log2(place + 1) for place, gain in enumerate(gains, start=1))
