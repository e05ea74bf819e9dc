"""Whether batches of another size would be faster: a few steps of each, at the width that is usual."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from danlu.text.batching.batch import Slice
from danlu.train.batches import Batches

TIMES = (0.5, 2)  # sizes that are tried, by that of the recipe
ROUNDS = 3  # the quickest of so many counts
SECONDS = 5.0  # all that may be spent; a step that takes too long for two rounds is not compared
WORTH = 0.1  # more tokens a second from which it is said


@dataclass(frozen=True)
class Faster:
    """Another size of batches, in tokens or in examples as the recipe has it, and how much faster it was: 0.2 for 20 %.

    - `setting`: the key of the recipe.
    """

    setting: str
    size: int
    gain: float


def rivals(batches: Batches, planned: Sequence[Slice]) -> dict[int, Slice]:
    """A full batch of the usual width for each size, that of the recipe first; of the others, those that differ."""
    by_width = sorted(planned, key=lambda piece: piece.width)
    usual = by_width[len(by_width) // 2].width
    own = batches.examples or batches.tokens
    found = {own: _fullest(planned, usual)}
    for size in (round(own * times) for times in TIMES):
        changed = replace(batches, tokens=size) if batches.examples is None else replace(batches, examples=size)
        if size > 0 and len(other := changed.plan(0)) > 1:
            piece = _fullest(other, usual)
            if len(piece.examples) != len(found[own].examples):
                found[size] = piece
    return found


def in_turn(pieces: Mapping[int, Slice], step: float) -> Iterator[Slice]:
    """The batches one after the other, several times, where a step of `step` seconds leaves time for it."""
    own = next(iter(pieces.values()))
    a_round = step * sum(piece.tokens for piece in pieces.values()) / max(1, own.tokens)
    rounds = min(ROUNDS, int(SECONDS / max(a_round, 1e-9)) - 1)
    if rounds >= 2 and len(pieces) > 1:
        for _ in range(1 + rounds):  # the first of a shape is slower
            yield from pieces.values()


def faster(batches: Batches, pieces: Mapping[int, Slice], seconds: Sequence[float]) -> Faster | None:
    """The size with most tokens a second, by what `in_turn` took; None where it is hardly faster, or was not tried."""
    if len(seconds) < 3 * len(pieces):
        return None
    rounds = np.array(seconds[: len(seconds) // len(pieces) * len(pieces)]).reshape(-1, len(pieces))
    speeds = [piece.tokens for piece in pieces.values()] / rounds[1:].min(0)
    best = int(speeds.argmax())
    gain = float(speeds[best] / speeds[0]) - 1
    if gain <= WORTH:
        return None
    return Faster("batch_tokens" if batches.examples is None else "batch_examples", [*pieces][best], gain)


def _fullest(planned: Sequence[Slice], width: int) -> Slice:
    """The fullest of the batches whose width is the nearest."""
    return min(planned, key=lambda piece: (abs(piece.width - width), -len(piece.examples)))
