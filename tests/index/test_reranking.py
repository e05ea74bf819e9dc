"""The order of a ranker, and of what it has not read."""

from typing import Any

from danlu.index.reranking import READ, reranked
from danlu.index.searching import Candidate
from danlu.index.store import Passage


class Backwards:
    """Ranks the passages the other way round."""

    def scores(self, query: str, passages: list[str]) -> list[float]:
        return [float(number) for number in range(len(passages))]


def test_passages_are_in_the_order_of_their_scores_also_those_that_the_ranker_has_not_read() -> None:
    texts = [f"passage {number}" for number in range(READ + 9)]
    passages = [Passage(number, "d", "", {}, 0, 9, text) for number, text in enumerate(texts)]
    given = [Candidate(passage, {}, 90.0 - number) for number, passage in enumerate(passages)]
    ranker: Any = Backwards()
    found = reranked(ranker, "q", given)
    scores = [each.score for each in found]
    assert scores == sorted(set(scores), reverse=True)
    assert [each.passage.text for each in found] == [*reversed(texts[:READ]), *texts[READ:]]
    assert reranked(ranker, "q", given[:3]) == found[READ - 3 : READ]
    assert reranked(ranker, "q", []) == []
