"""One label of a fixed set: `{"label": "good", "scores": {"good": 0.9, "bad": 0.1}}`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from danlu.answer.answer import Answer, Mark
from danlu.answer.shown import Cell, Headings, cell

ROUNDED = 0.01
"""By how much probabilities may miss 1 together: what is read back may be rounded."""


class Label(Answer):
    """One label, and the probability of each; the value is the label."""

    one_label: ClassVar[bool] = True
    decides: ClassVar[Literal["one", "each"] | None] = "one"

    def value(self, prediction: Mapping[str, Any]) -> str:
        """The label."""
        return str(prediction["label"])

    def plain(self, value: str) -> str:
        """The label."""
        return value

    def read(self, plain: str) -> str:
        """The label."""
        return plain

    def wrong(self, truth: str, prediction: Mapping[str, Any]) -> tuple[float, float]:
        """1 where it is another label, and the probability that it was given."""
        return int(self.value(prediction) != truth), self._share(prediction, 0.0)

    def marks(self, value: str) -> frozenset[Mark]:
        """The label itself."""
        return frozenset(((value, value),))

    def scores(self, prediction: Mapping[str, Any], labels: Sequence[str]) -> list[float]:
        """The probability of each label."""
        return [prediction["scores"].get(label, 0.0) for label in labels]

    def shares(self, prediction: Mapping[str, Any], labels: Sequence[str]) -> list[float] | None:
        """The probability of each label; None where one is lacking, or they do not add up to 1."""
        told = prediction.get("scores", {})
        if any(label not in told for label in labels):
            return None
        found = [float(told[label]) for label in labels]
        return found if abs(sum(found) - 1) < ROUNDED else None

    def short(self, prediction: Mapping[str, Any]) -> list[str]:
        """The label and its probability."""
        return [self.value(prediction), f"{self._share(prediction, 1.0):.3f}"]

    def columns(self, prediction: Mapping[str, Any]) -> dict[str, str | int | float | None]:
        """`label` and `score`."""
        return {"label": self.value(prediction), "score": self._share(prediction, None)}

    def headings(self, _: Callable[[str], str]) -> Headings:
        """Text, truth, answer, probability."""
        return Headings(_("the errors of which the model was surest"), (_("text"), _("truth"), _("answer"), _("sure")))

    def cells(self, text: str, gold: str, prediction: Mapping[str, Any], wrong: float, surely: float) -> list[Cell]:
        """Text, truth, answer, probability."""
        answer = self.value(prediction)
        return [cell("text", text), cell("truth", gold), cell("answer", answer), cell("number", f"{surely:.0%}")]

    def _share(self, prediction: Mapping[str, Any], otherwise: Any) -> Any:
        return prediction.get("scores", {}).get(prediction["label"], otherwise)
