"""Mean absolute error: by how much numbers miss the truth on average (Laplace, 1774)."""

from collections.abc import Iterable
from typing import ClassVar

from danlu.evaluate.scoring.metric import MeanMetric
from danlu.evaluate.scoring.side import Side


class Mae(MeanMetric):
    """Mean of the absolute differences; 0 is perfect."""

    higher_is_better: ClassVar[bool] = False
    forms: ClassVar[tuple[str, ...]] = ("number",)

    def of_each(self, side: Side) -> Iterable[float]:
        """The difference."""
        return (abs(given - true) for true, given in zip(side.gold, side.values, strict=True))
