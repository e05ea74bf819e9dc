"""How likely a text is: `{"negative_log_likelihood": 41.2, "tokens": 12, "perplexity": 31.0}`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from danlu.answer.answer import Answer
from danlu.answer.shown import Cell, Headings, cell


class Likelihood(Answer):
    """How likely a text is; the value is its negative log-likelihood (nats) and the tokens that this is the sum over.

    The truth is (0, 0): nothing is expected, and a likelihood is never simply wrong.
    """

    right_or_wrong: ClassVar[bool] = False
    of_numbers: ClassVar[bool] = True

    def value(self, prediction: Mapping[str, Any]) -> tuple[float, int]:
        """Negative log-likelihood (nats), and tokens."""
        return float(prediction["negative_log_likelihood"]), int(prediction["tokens"])

    def plain(self, value: tuple[float, int]) -> list[Any]:
        """The two numbers."""
        return list(value)

    def read(self, plain: Sequence[Any]) -> tuple[float, int]:
        """The two numbers."""
        total, tokens = plain
        return float(total), int(tokens)

    def wrong(self, truth: tuple[float, int], prediction: Mapping[str, Any]) -> tuple[float, float]:
        """1 where there is a token, and the negative log-likelihood of one (nats)."""
        total, tokens = self.value(prediction)
        return int(tokens > 0), total / tokens if tokens else 0.0

    def short(self, prediction: Mapping[str, Any]) -> list[str]:
        """The numbers by their names."""
        names = ("negative_log_likelihood", "tokens", "perplexity")
        return [f"{name} {prediction[name]:.4g}" for name in names if prediction.get(name) is not None]

    def headings(self, _: Callable[[str], str]) -> Headings:
        """Text, nats a token."""
        return Headings(_("the texts that the model expected least"), (_("text"), _("nats a token")))

    def cells(
        self, text: str, gold: Sequence[Any], prediction: Mapping[str, Any], wrong: float, surely: float
    ) -> list[Cell]:
        """Text, nats a token."""
        return [cell("text", text), cell("number", f"{surely:.2f}")]
