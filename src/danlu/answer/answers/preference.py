"""Which of two answers a model prefers: `{"preferred": "chosen", "margin": 2.5, "log_probabilities": [-9, -11.5]}`."""

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from danlu.answer.answer import Answer
from danlu.answer.shown import Cell, Headings, cell


class Preference(Answer):
    """How much more the model expects the better of two answers; the value is that margin (nats).

    The truth is any number above 0. Of one answer alone there is no margin: it is no number (NaN).
    """

    of_numbers: ClassVar[bool] = True

    def value(self, prediction: Mapping[str, Any]) -> float:
        """The margin."""
        return float("nan") if prediction["margin"] is None else float(prediction["margin"])

    def plain(self, value: float) -> float | None:
        """The margin; None where there is none."""
        return None if math.isnan(value) else value

    def read(self, plain: float | None) -> float:
        """The margin."""
        return float("nan") if plain is None else float(plain)

    def right(self, truth: float, value: float) -> bool:
        """Whether both prefer the better answer, or neither does; of two that are expected alike none is preferred."""
        return (value > 0) == (truth > 0)

    def amount(self, value: float) -> float:
        """The margin."""
        return value

    def wrong(self, truth: float, prediction: Mapping[str, Any]) -> tuple[float, float]:
        """1 where the worse answer is preferred, and by how much (nats)."""
        value = self.value(prediction)
        return int(not self.right(truth, value)), 0.0 if math.isnan(value) else abs(value)

    def short(self, prediction: Mapping[str, Any]) -> list[str]:
        """The answer that is preferred, and the margin; the log-probability where there is one answer."""
        margin = prediction["margin"]
        if margin is None:
            return [f"log-probability {prediction['log_probabilities'][0]:.4g}"]
        return [str(prediction["preferred"]), f"{margin:+.4g}"]

    def headings(self, _: Callable[[str], str]) -> Headings:
        """Text, what is preferred, by how much."""
        return Headings(_("the pairs of which the worse is preferred most"), (_("text"), _("answer"), _("margin")))

    def cells(self, text: str, gold: float, prediction: Mapping[str, Any], wrong: float, surely: float) -> list[Cell]:
        """Text, what is preferred, by how much."""
        preferred, margin = str(prediction["preferred"] or ""), self.value(prediction)
        return [cell("text", text), cell("answer", preferred), cell("number", f"{margin:+.2f}")]
