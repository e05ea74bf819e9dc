"""What the forms have in common whose answer is a text, of which several may be right."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from danlu.answer.answer import Answer
from danlu.answer.matching import one_of
from danlu.answer.shown import Cell, Headings, cell
from danlu.data.reading.call_lines import with_calls


class Worded(Answer):
    """A text; the value is a tuple of texts, one in an answer, and in a truth as many as are right."""

    def value(self, prediction: Mapping[str, Any]) -> tuple[str, ...]:
        """The text alone."""
        return (str(prediction["text"]),)

    def plain(self, value: tuple[str, ...]) -> list[str]:
        """The texts."""
        return list(value)

    def read(self, plain: Sequence[str]) -> tuple[str, ...]:
        """The texts."""
        return tuple(plain)

    def right(self, truth: tuple[str, ...], value: tuple[str, ...]) -> bool:
        """Whether the answer says what one of the right texts says, as exact match counts it."""
        return one_of(truth, value[0])

    def wrong(self, truth: tuple[str, ...], prediction: Mapping[str, Any]) -> tuple[float, float]:
        """1 where it is none of the right texts, and the score that it was given."""
        return int(not self.right(truth, self.value(prediction))), float(prediction.get("score") or 0.0)

    def short(self, prediction: Mapping[str, Any]) -> list[str]:
        """The text, and what it calls."""
        return [with_calls(str(prediction["text"]), prediction.get("tool_calls"))]

    def headings(self, _: Callable[[str], str]) -> Headings:
        """Text, right texts, answer, score."""
        return Headings(_("the errors of which the model was surest"), (_("text"), _("truth"), _("answer"), _("sure")))

    def cells(
        self, text: str, gold: Sequence[str], prediction: Mapping[str, Any], wrong: float, surely: float
    ) -> list[Cell]:
        """Text, right texts, answer, score."""
        answer = str(prediction["text"])
        return [
            cell("text", text),
            cell("truth", " / ".join(gold)),
            cell("answer", answer),
            cell("number", f"{surely:.0%}"),
        ]


def nothing(score: float) -> dict[str, Any]:
    """What stands for no answer where one is taken from a text, and how probable that is."""
    return {"text": "", "start": None, "end": None, "score": score}
