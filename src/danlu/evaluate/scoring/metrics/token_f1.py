"""Token F1: how much answers share with right texts (Rajpurkar et al., 2016; Cui et al., 2019)."""

from collections.abc import Iterable
from typing import ClassVar

from danlu.answer.matching import best_shared
from danlu.evaluate.scoring.metric import MeanMetric
from danlu.evaluate.scoring.side import Side


class TokenF1(MeanMetric):
    """Mean F1 of words in English, of the longest run of characters in Chinese, with the right text nearest to it.

    Which of the two holds is told by the script of each right text (`danlu.answer.matching`).
    """

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("excerpt", "text")

    def of_each(self, side: Side) -> Iterable[float]:
        """The F1 of each answer."""
        return (best_shared(truths, answer) for truths, (answer,) in zip(side.gold, side.values, strict=True))
