"""How well passages fit a query, each read beside it, by a bundle of the task rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from danlu.index.searching import Candidate
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering

READ = 30
"""Passages that the ranker reads."""


class Reranker:
    """A bundle that ranks."""

    def __init__(self, bundle: Answering) -> None:
        """Use a bundle.

        Raises:
            Refusal: it ranks no documents.
        """
        if bundle.task.kind != "rank":
            raise Refusal(
                f"{bundle.folder}: was trained for {bundle.task.kind}, which ranks no documents; give a bundle of the "
                "task rank"
            )
        self._bundle = bundle

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """How well each passage fits."""
        if not passages:
            return []
        if self._bundle.task.answer_form == "number":
            pairs = [{"text": query, "text_pair": passage} for passage in passages]
            return [float(each["number"]) for each in self._bundle.predict(pairs)]
        distinct = list(dict.fromkeys(passages))
        (ranked,) = self._bundle.predict([{"text": query, "candidates": distinct}])
        found = dict(zip(ranked["ranking"], ranked["scores"], strict=True))
        return [float(found[passage]) for passage in passages]


def reranked(reranker: Reranker, query: str, found: Sequence[Candidate]) -> list[Candidate]:
    """The candidates with the best of them in the order of the ranker; what it has not read stays behind these.

    Those lie below the least score of the ranker by as much as they lay below the last that it has read.
    """
    read, unread = found[:READ], found[READ:]
    scores = reranker.scores(query, [each.passage.text for each in read])
    ranked = [
        Candidate(each.passage, each.ways | {"rank": score}, score) for each, score in zip(read, scores, strict=True)
    ]
    ranked.sort(key=lambda each: -each.score)
    below = [each._replace(score=ranked[-1].score - (read[-1].score - each.score)) for each in unread]
    return [*ranked, *below]
