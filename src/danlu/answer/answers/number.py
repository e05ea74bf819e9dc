"""A number, such as how alike two texts are: `{"number": 3.25}`."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from danlu.answer.answer import Answer
from danlu.answer.shown import Cell, Headings, cell


class Number(Answer):
    """A number; so is the value."""

    right_or_wrong: ClassVar[bool] = False
    of_numbers: ClassVar[bool] = True

    def value(self, prediction: Mapping[str, Any]) -> float:
        """The number."""
        return float(prediction["number"])

    def plain(self, value: float) -> float:
        """The number."""
        return value

    def read(self, plain: float) -> float:
        """The number."""
        return float(plain)

    def amount(self, value: float) -> float:
        """The number."""
        return value

    def wrong(self, truth: float, prediction: Mapping[str, Any]) -> tuple[float, float]:
        """By how much it misses; numbers are never sure."""
        return abs(self.value(prediction) - truth), 0.0

    def short(self, prediction: Mapping[str, Any]) -> list[str]:
        """The number, with four digits."""
        return [f"{self.value(prediction):.4g}"]

    def headings(self, _: Callable[[str], str]) -> Headings:
        """Text, truth, answer, distance."""
        return Headings(
            _("the texts whose number is furthest from the truth"),
            (_("text"), _("truth"), _("answer"), _("off by")),
        )

    def cells(self, text: str, gold: float, prediction: Mapping[str, Any], wrong: float, surely: float) -> list[Cell]:
        """Text, truth, answer, distance."""
        numbers = (gold, self.value(prediction), wrong)
        return [cell("text", text), *(cell("number", f"{number:.4g}") for number in numbers)]
