"""Mean squared error: how far numbers are from the truth, large misses counting most (Gauss, 1821)."""

from collections.abc import Iterable
from typing import ClassVar

from danlu.evaluate.scoring.metric import MeanMetric
from danlu.evaluate.scoring.side import Side


class Mse(MeanMetric):
    """Mean of the squared differences; 0 is perfect."""

    higher_is_better: ClassVar[bool] = False
    forms: ClassVar[tuple[str, ...]] = ("number",)

    def of_each(self, side: Side) -> Iterable[float]:
        """The squared difference."""
        return ((given - true) ** 2 for true, given in zip(side.gold, side.values, strict=True))
