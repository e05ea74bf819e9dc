"""How a query finds passages: candidates of each way, in one order."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from danlu.index.fusion import blended
from danlu.index.store import Passage, Scored, Session, Vectors

DEPTH = 100
"""Passages that each way offers."""


class Candidate(NamedTuple):
    """A passage that was found, what each way says of it, and by what it is in order."""

    passage: Passage
    ways: dict[str, float]
    score: float


def candidates(
    session: Session, tokens: list[str], vector: Vectors | None, limit: int, where: Mapping[str, str]
) -> list[Candidate]:
    """The passages, at most `limit`, that words (`tokens`) or meaning (`vector`) find, the best first.

    The order depends on what is in the index alone, not on how it came there: equal ones are in the order of the ids.
    """
    depth = max(DEPTH, limit)
    ways: dict[str, Scored] = {}
    if tokens:
        ways["lexical"] = _with_equals(lambda count: session.lexical(tokens, count, where), depth)
    if vector is not None:
        ways["vector"] = _with_equals(lambda count: session.nearest(vector, count, where), depth)
    places = session.places(list({number for found in ways.values() for number, _ in found}))
    said = {
        name: dict(sorted(found, key=lambda each: (-each[1], *places[each[0]]))[:depth]) for name, found in ways.items()
    }
    if len(said) > 1 and vector is not None:
        least, both = min(said["vector"].values(), default=0.0), list(said["lexical"].keys() | said["vector"].keys())
        said["lexical"] |= session.lexical(tokens, len(both), {}, both)  # what each says of what the other has found
        said["vector"] |= session.nearest(vector, len(both), {}, both)
        scores = blended(said["lexical"], said["vector"], least)
    else:
        scores = {number: score for found in said.values() for number, score in found.items()}
    best = sorted(scores, key=lambda number: (-scores[number], *places[number]))[:limit]
    passages = session.passages(best)
    return [
        Candidate(
            passages[number],
            {name: found.get(number, 0.0) for name, found in said.items() if name == "lexical" or number in found},
            scores[number],
        )
        for number in best
    ]


def _with_equals(find: Callable[[int], Scored], count: int) -> Scored:
    """The best, and all that are equal to the last of them."""
    asked = count + 1
    while True:
        found = find(asked)
        if len(found) < asked or found[-1][1] < found[count - 1][1]:
            return [each for each in found if len(found) < count or each[1] >= found[count - 1][1]]
        asked *= 4
