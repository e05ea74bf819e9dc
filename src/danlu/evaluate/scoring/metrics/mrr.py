"""Mean reciprocal rank (Voorhees, 1999)."""

from collections.abc import Sequence

from pydantic import Field

from danlu.evaluate.scoring.ranks import RankMetric


class Mrr(RankMetric):
    """1 over the place of the first relevant answer, 0 where none of the first k is."""

    k: int = Field(default=100, ge=1, description="places that count, from the first")

    def of_query(self, gains: Sequence[float], relevant: Sequence[float]) -> float:
        """The reciprocal of that place."""
        return next((1.0 / place for place, gain in enumerate(gains, start=1) if gain > 0), 0.0)
