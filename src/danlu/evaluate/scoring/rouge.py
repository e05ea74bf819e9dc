"""ROUGE (Lin, 2004): F1 of what an answer and the likest right text share, whose unit is told beside the score."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

from danlu.evaluate.scoring.metric import MeanMetric
from danlu.evaluate.scoring.side import Side
from danlu.evaluate.scoring.written import right_texts, unit_of, units


class Rouge(MeanMetric):
    """The mean over the records of F1, 0 to 1: of words, or of characters where a script has no spaces."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("text",)

    @abstractmethod
    def shared(self, given: Sequence[str], right: Sequence[str]) -> tuple[int, int, int]:
        """How much of what is counted is in both, in the answer, and in the right text."""

    def of_each(self, side: Side) -> Iterable[float]:
        """F1 of each answer with the right text that it is likest to; of two without a unit, whether they agree."""
        answers = units([given for (given,) in side.values])
        truths = iter(units(right_texts(side)))
        for given, (text,), right in zip(answers, side.values, side.gold, strict=True):
            yield max(self._f1(given, next(truths), text.strip() == truth.strip()) for truth in right)

    def definition(self, side: Side) -> str:
        """The unit."""
        return f"F1, {unit_of(right_texts(side))}"

    def _f1(self, given: list[str], right: list[str], same: bool) -> float:
        both, of_given, of_right = self.shared(given, right)
        return 2 * both / (of_given + of_right) if of_given + of_right else float(same)
