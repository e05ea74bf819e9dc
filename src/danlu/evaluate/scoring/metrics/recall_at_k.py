"""Recall at k: how much of what is relevant stands at the first places."""

from collections.abc import Sequence

from danlu.evaluate.scoring.ranks import RankMetric


class RecallAtK(RankMetric):
    """Share of what is relevant to a query that stands at its first k places."""

    def of_query(self, gains: Sequence[float], relevant: Sequence[float]) -> float:
        """Relevant ones found, of all."""
        return sum(gain > 0 for gain in gains) / len(relevant)
