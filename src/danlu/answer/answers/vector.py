"""A vector that stands for a text: `{"vector": [0.1, -0.3, ...]}`."""

from collections.abc import Callable, Mapping, Sequence
from math import hypot
from typing import Any, ClassVar

from danlu.answer.answer import Answer
from danlu.answer.shown import Cell, Headings, cell

ROUNDING = 1e-12  # cosines of equal vectors differ from 1 by as much


class Vector(Answer):
    """A vector; the value is the tuple of its numbers."""

    right_or_wrong: ClassVar[bool] = False
    of_numbers: ClassVar[bool] = True

    def value(self, prediction: Mapping[str, Any]) -> tuple[float, ...]:
        """The numbers."""
        return tuple(map(float, prediction["vector"]))

    def plain(self, value: tuple[float, ...]) -> list[float]:
        """The numbers."""
        return list(value)

    def read(self, plain: Sequence[float]) -> tuple[float, ...]:
        """The numbers."""
        return tuple(map(float, plain))

    def wrong(self, truth: tuple[float, ...], prediction: Mapping[str, Any]) -> tuple[float, float]:
        """1 minus the cosine of the angle to the true vector, 0 to 2; a vector is never sure."""
        found = self.value(prediction)
        size = hypot(*truth) * hypot(*found)
        apart = 1.0 - sum(one * other for one, other in zip(truth, found, strict=True)) / size if size else 1.0
        return (apart if apart > ROUNDING else 0.0), 0.0

    def short(self, prediction: Mapping[str, Any]) -> list[str]:
        """The first numbers and how many there are."""
        value = self.value(prediction)
        shown = " ".join(f"{number:.4g}" for number in value[:4])
        return [f"{shown} … ({len(value)})" if len(value) > 4 else shown]

    def headings(self, _: Callable[[str], str]) -> Headings:
        """Text, distance."""
        return Headings(_("the texts whose vector is furthest from the truth"), (_("text"), _("1 − cosine")))

    def cells(
        self, text: str, gold: Sequence[float], prediction: Mapping[str, Any], wrong: float, surely: float
    ) -> list[Cell]:
        """Text, distance."""
        return [cell("text", text), cell("number", f"{wrong:.3f}")]
