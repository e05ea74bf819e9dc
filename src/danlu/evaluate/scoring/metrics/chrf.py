"""chrF: F2 of runs of characters (Popović, 2015), as sacreBLEU has it (chrF2)."""

from typing import ClassVar

import numpy as np

from danlu.evaluate.scoring.metric import Floats, SumMetric
from danlu.evaluate.scoring.side import Side
from danlu.evaluate.scoring.written import runs

_ORDERS = 6
_BETA = 2


class Chrf(SumMetric):
    """Precision and recall of runs of 1 to 6 characters, 0 to 100; recall weighs twice, white space is left out."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 100.0)

    forms: ClassVar[tuple[str, ...]] = ("text",)

    def counts(self, side: Side) -> Floats:
        """(N, 18): runs of the answer, of the right text that it is likest to, and of both; for each order."""
        found = np.zeros((len(side.gold), 3 * _ORDERS))
        for row, (right, (given,)) in enumerate(zip(side.gold, side.values, strict=True)):
            found[row] = max((_of(given, text) for text in right), key=lambda counts: float(self.value(counts)))
        return found

    def value(self, totals: Floats) -> Floats:
        """F2 of the means over the orders that both have: (..., 18) to (...)."""
        given, right, both = (totals[..., start::3] for start in range(3))
        with np.errstate(divide="ignore", invalid="ignore"):
            has = (given > 0) & (right > 0)
            orders = has.sum(-1)
            precision = np.where(has, both / given, 0.0).sum(-1) / orders
            recall = np.where(has, both / right, 0.0).sum(-1) / orders
            found = 100 * (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall)
        clean: Floats = np.nan_to_num(found)
        return clean


def _of(given: str, right: str) -> Floats:
    """The counts (18,) of an answer and one text."""
    texts = ["".join(text.split()) for text in (given, right)]
    counts = np.zeros(3 * _ORDERS)
    for order in range(_ORDERS):
        answer, truth = (runs(text, order + 1) for text in texts)
        counts[3 * order :][:3] = answer.total() if truth else 0, truth.total(), (answer & truth).total()
    return counts
