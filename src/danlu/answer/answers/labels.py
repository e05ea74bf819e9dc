"""Any number of labels of a fixed set: `{"labels": ["price", "design"], "scores": {"price": 0.9, ...}}`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from danlu.answer.answer import Answer, Mark, as_cell
from danlu.answer.shown import Cell, Headings, cell


class Labels(Answer):
    """Any number of labels, and the probability of each; the value is their set."""

    decides: ClassVar[Literal["one", "each"] | None] = "each"

    def value(self, prediction: Mapping[str, Any]) -> frozenset[str]:
        """The labels."""
        return frozenset(map(str, prediction["labels"]))

    def plain(self, value: frozenset[str]) -> list[str]:
        """The labels, sorted."""
        return sorted(value)

    def read(self, plain: Sequence[str]) -> frozenset[str]:
        """The labels."""
        return frozenset(plain)

    def wrong(self, truth: frozenset[str], prediction: Mapping[str, Any]) -> tuple[float, float]:
        """How many are wrongly given or missed, and the highest probability of one wrongly given."""
        given = self.value(prediction)
        shares = prediction.get("scores", {})
        return len(truth ^ given), max((float(shares.get(label, 0.0)) for label in given - truth), default=0.0)

    def marks(self, value: frozenset[str]) -> frozenset[Mark]:
        """The labels themselves."""
        return frozenset((label, label) for label in value)

    def scores(self, prediction: Mapping[str, Any], labels: Sequence[str]) -> list[float]:
        """The probability of each label."""
        return [prediction["scores"].get(label, 0.0) for label in labels]

    def shares(self, prediction: Mapping[str, Any], labels: Sequence[str]) -> list[float] | None:
        """The probability of each label; None where one is lacking."""
        told = prediction.get("scores", {})
        if any(label not in told for label in labels):
            return None
        return [float(told[label]) for label in labels]

    def short(self, prediction: Mapping[str, Any]) -> list[str]:
        """The labels, each with its probability."""
        shares = prediction.get("scores", {})
        told = [f"{label} {shares[label]:.3f}" if label in shares else str(label) for label in prediction["labels"]]
        return [", ".join(told) or "-"]

    def columns(self, prediction: Mapping[str, Any]) -> dict[str, str | int | float | None]:
        """`labels` as json, and in the same order their `scores`."""
        shares = prediction.get("scores", {})
        given = list(prediction["labels"])
        return {"labels": as_cell(given), "scores": as_cell([shares.get(label) for label in given])}

    def headings(self, _: Callable[[str], str]) -> Headings:
        """Text, truth, answer, number of mistakes."""
        return Headings(
            _("the texts with most labels wrongly given or missed"), (_("text"), _("truth"), _("answer"), _("wrong"))
        )

    def cells(
        self, text: str, gold: Sequence[str], prediction: Mapping[str, Any], wrong: float, surely: float
    ) -> list[Cell]:
        """Text, truth, answer, number of mistakes."""
        given = ", ".join(self.plain(self.value(prediction)))
        return [
            cell("text", text),
            cell("truth", ", ".join(gold)),
            cell("answer", given),
            cell("number", f"{wrong:,.0f}"),
        ]
