"""Preference accuracy: the share of pairs of which the model expects the better answer more."""

from collections.abc import Iterable
from typing import ClassVar

from danlu.evaluate.scoring.metric import MeanMetric
from danlu.evaluate.scoring.side import Side


class PreferenceAccuracy(MeanMetric):
    """Share of pairs whose chosen answer is likelier than the rejected one; equal ones count as wrong."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("preference",)

    def of_each(self, side: Side) -> Iterable[float]:
        """1 where the better one is preferred, else 0."""
        return (float(side.form.right(true, given)) for true, given in zip(side.gold, side.values, strict=True))

    def definition(self, side: Side) -> str:
        """What is compared: what the model alone says."""
        return "without a reference"
