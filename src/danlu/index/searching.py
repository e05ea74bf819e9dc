"""How a query finds passages: candidates of each way, in one order."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from danlu.index.fusion import reciprocal_ranks
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
    """The passages that words (`tokens`) or meaning (`vector`) find, the best first.

    The order depends on what is in the index alone, not on how it came there: equal ones are in the order of the ids.
    """
    depth = max(DEPTH, limit)
    ways: dict[str, Scored] = {}
    if tokens:
        ways["lexical"] = _with_equals(lambda count: session.lexical(tokens, count, where), depth)
    if vector is not None:
        ways["vector"] = _with_equals(lambda count: session.nearest(vector, count, where), depth)
    numbers = list(dict.fromkeys(number for found in ways.values() for number, _ in found))
    passages = session.passages(numbers)
    ordered = {
        name: sorted(found, key=lambda each: (-each[1], *_place(passages[each[0]])))[:depth]
        for name, found in ways.items()
    }
    numbers = list(dict.fromkeys(number for found in ordered.values() for number, _ in found))
    said = {name: dict(found) for name, found in ordered.items()}
    if len(ordered) > 1:
        said["lexical"] |= session.lexical(tokens, len(numbers), {}, numbers)
        said["vector"] |= session.nearest(vector, len(numbers), {}, numbers) if vector is not None else []
        scores = reciprocal_ranks({name: [number for number, _ in found] for name, found in ordered.items()})
    else:
        scores = {number: score for found in ordered.values() for number, score in found}
    best = sorted(numbers, key=lambda number: (-scores[number], *_place(passages[number])))
    return [
        Candidate(
            passages[number],
            {name: found.get(number, 0.0) for name, found in said.items() if name == "lexical" or number in found},
            scores[number],
        )
        for number in best
    ]


def _place(passage: Passage) -> tuple[str, int]:
    return passage.document, passage.start


def _with_equals(find: Callable[[int], Scored], count: int) -> Scored:
    """The best, and all that are equal to the last of them."""
    asked = count + 1
    while True:
        found = find(asked)
        if len(found) < asked or found[-1][1] < found[count - 1][1]:
            return [each for each in found if len(found) < count or each[1] >= found[count - 1][1]]
        asked *= 4
