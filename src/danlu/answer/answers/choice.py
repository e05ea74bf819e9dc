"""One of the options that come with a question: `{"choice": 2, "option": "Paris", "scores": [0.1, 0.2, 0.7]}`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from danlu.answer.answer import Answer
from danlu.answer.shown import Cell, Headings, cell


class Choice(Answer):
    """One of the options of a record, by its place, and the probability of each; the value is the place, from 0."""

    decides: ClassVar[Literal["one", "each"] | None] = "one"
    of_listed: ClassVar[bool] = True

    def as_listed(
        self, prediction: Mapping[str, Any], given: Mapping[str, Any], alike: Mapping[str, Sequence[str]]
    ) -> dict[str, Any]:
        """The option as it was given, by its place; in another column, which nothing rewrites, it is that already."""
        listed = given.get("choices")
        if "option" not in prediction or not isinstance(listed, list):
            return dict(prediction)
        return {**prediction, "option": listed[self.value(prediction)]}

    def value(self, prediction: Mapping[str, Any]) -> int:
        """The place of the option."""
        return int(prediction["choice"])

    def plain(self, value: int) -> int:
        """The place."""
        return value

    def read(self, plain: int) -> int:
        """The place."""
        return plain

    def wrong(self, truth: int, prediction: Mapping[str, Any]) -> tuple[float, float]:
        """1 where it is another option, and the probability that it was given."""
        return int(self.value(prediction) != truth), self._share(prediction)

    def scores(self, prediction: Mapping[str, Any], labels: Sequence[str]) -> list[float]:
        """The probability of each choice of the record."""
        return list(map(float, prediction["scores"]))

    def shares(self, prediction: Mapping[str, Any], labels: Sequence[str]) -> list[float] | None:
        """The probability of each choice."""
        return self.scores(prediction, labels) if prediction.get("scores") else None

    def places(self, value: int, numbers: Mapping[str, int]) -> list[int]:
        """The place itself."""
        return [value]

    def short(self, prediction: Mapping[str, Any]) -> list[str]:
        """The option, by its text where the prediction has that, and its probability."""
        return [str(prediction.get("option", self.value(prediction))), f"{self._share(prediction):.3f}"]

    def columns(self, prediction: Mapping[str, Any]) -> dict[str, str | int | float | None]:
        """`choice`, `option` and `score`."""
        option = prediction.get("option")
        return {"choice": self.value(prediction), "option": option, "score": self._share(prediction)}

    def headings(self, _: Callable[[str], str]) -> Headings:
        """Text, place of the right option, answer, probability."""
        return Headings(_("the errors of which the model was surest"), (_("text"), _("truth"), _("answer"), _("sure")))

    def cells(self, text: str, gold: int, prediction: Mapping[str, Any], wrong: float, surely: float) -> list[Cell]:
        """Text, place of the right option, answer, probability."""
        answer = " ".join(str(prediction[name]) for name in ("choice", "option") if name in prediction)
        return [cell("text", text), cell("truth", str(gold)), cell("answer", answer), cell("number", f"{surely:.0%}")]

    def _share(self, prediction: Mapping[str, Any]) -> float:
        return float(prediction["scores"][prediction["choice"]])
