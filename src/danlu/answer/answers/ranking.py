"""Things in the order in which they fit a question: `{"ranking": ["d7", "d2"], "scores": [0.9, 0.4]}`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from danlu.answer.answer import Answer
from danlu.answer.shown import Cell, Headings, cell

Ranked = tuple[tuple[str, float], ...]


class Ranking(Answer):
    """Names in order; the value is pairs of name and score, the best first, and in a truth of name and relevance.

    So `qrels` and `runs` of TREC are: what is not named in a truth, or has relevance 0, is not relevant.
    """

    right_or_wrong: ClassVar[bool] = False
    of_numbers: ClassVar[bool] = True
    of_listed: ClassVar[bool] = True

    def as_listed(
        self, prediction: Mapping[str, Any], given: Mapping[str, Any], alike: Mapping[str, Sequence[str]]
    ) -> dict[str, Any]:
        """The names as they were given; those that were read as one side by side, with the same score."""
        pairs = [(name, score) for read, score in self.value(prediction) for name in alike.get(read, (read,))]
        return {**prediction, "ranking": [name for name, _ in pairs], "scores": [score for _, score in pairs]}

    def value(self, prediction: Mapping[str, Any]) -> Ranked:
        """Names and scores."""
        return tuple(
            (str(name), float(score)) for name, score in zip(prediction["ranking"], prediction["scores"], strict=True)
        )

    def plain(self, value: Ranked) -> list[list[Any]]:
        """Rows of name and score."""
        return [list(pair) for pair in value]

    def read(self, plain: Sequence[Sequence[Any]]) -> Ranked:
        """Names and scores."""
        return tuple((name, float(score)) for name, score in plain)

    def wrong(self, truth: Ranked, prediction: Mapping[str, Any]) -> tuple[float, float]:
        """1 minus the reciprocal rank of the first relevant name, and the score of the name put first."""
        relevant = {name for name, relevance in truth if relevance > 0}
        ranked = self.value(prediction)
        places = (place for place, (name, _) in enumerate(ranked, start=1) if name in relevant)
        first = next(places, None)
        sure = ranked[0][1] if ranked else 0.0
        return (1.0 - 1.0 / first if first else float(bool(relevant))), sure

    def short(self, prediction: Mapping[str, Any]) -> list[str]:
        """The first five names."""
        names = [str(name) for name in prediction["ranking"]]
        return [", ".join(names[:5]) + (", …" if len(names) > 5 else "")]

    def headings(self, _: Callable[[str], str]) -> Headings:
        """Text, relevant names, the names put first, 1 minus the reciprocal rank."""
        return Headings(
            _("the texts whose first relevant answer stands lowest"),
            (_("text"), _("truth"), _("answer"), _("1 − 1/rank")),
        )

    def cells(
        self, text: str, gold: Sequence[Sequence[Any]], prediction: Mapping[str, Any], wrong: float, surely: float
    ) -> list[Cell]:
        """Text, relevant names, the names put first, 1 minus the reciprocal rank."""
        relevant = ", ".join(name for name, relevance in gold if relevance > 0)
        (first,) = self.short(prediction)
        return [
            cell("text", text),
            cell("truth", relevant),
            cell("answer", first),
            cell("number", f"{wrong:.2f}"),
        ]
