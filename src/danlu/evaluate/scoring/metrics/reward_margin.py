"""Reward margin: how much more the model expects the better answer than the worse, on average."""

from collections.abc import Iterable
from typing import ClassVar

from danlu.evaluate.scoring.metric import MeanMetric
from danlu.evaluate.scoring.side import Side


class RewardMargin(MeanMetric):
    """Mean of the log-probability (nats) of the chosen answer minus that of the rejected one."""

    forms: ClassVar[tuple[str, ...]] = ("preference",)

    def of_each(self, side: Side) -> Iterable[float]:
        """The margin of each pair."""
        return map(float, side.values)

    def definition(self, side: Side) -> str:
        """What is compared: what the model alone says."""
        return "without a reference"
