"""What all metrics of rankings have in common: a number of each query, and their mean over those that have one."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from danlu.evaluate.scoring.metric import Floats, SumMetric
from danlu.evaluate.scoring.side import Side


class RankMetric(SumMetric):
    """The mean over the queries to which anything is relevant."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("ranking",)

    k: int = Field(default=10, ge=1, description="places that count, from the first")

    @abstractmethod
    def of_query(self, gains: Sequence[float], relevant: Sequence[float]) -> float:
        """The number of a query.

        `gains` is how relevant what stands at each of the first `k` places is, `relevant` that of all that is relevant,
        the highest first.
        """

    def counts(self, side: Side) -> Floats:
        """(N, 2): the number and 1; 0 and 0 of a query to which nothing is relevant."""
        found = np.zeros((len(side.gold), 2))
        for row, (truth, ranked) in enumerate(zip(side.gold, side.values, strict=True)):
            relevance = {name: value for name, value in truth if value > 0}
            if relevance:
                gains = [relevance.get(name, 0.0) for name, _ in ranked[: self.k]]
                found[row] = self.of_query(gains, sorted(relevance.values(), reverse=True)), 1.0
        return found

    def value(self, totals: Floats) -> Floats:
        """The mean: (..., 2) to (...); NaN where there is no query."""
        with np.errstate(invalid="ignore"):
            mean: Floats = totals[..., 0] / totals[..., 1]
        return mean

    def definition(self, side: Side) -> str:
        """How many places count, and how many candidates there usually are where these are no more."""
        each = [max(len(truth), len(ranked)) for truth, ranked in zip(side.gold, side.values, strict=True)]
        offered = int(np.median(each)) if each else self.k
        return f"k = {self.k}" + (f", {offered} candidates" if offered < self.k else "")
