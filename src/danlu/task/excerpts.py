"""Where pieces of a text stand among its windows, and the best pieces that start and end scores choose.

T tokens of a window, L tokens of the longest piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from danlu.task.questions import Piece
from danlu.text.batching.align import touched
from danlu.text.batching.encoded import Encoded

Floats = NDArray[np.float64]

NOWHERE = 0
"""The token that start and end point to where a window holds no answer: the first."""

AMONG = 20
"""Pieces among which a probability is shared out, with that of no answer."""


class Borders(NamedTuple):
    """Characters that a window reads, end exclusive."""

    start: int
    end: int


class Found(NamedTuple):
    """A piece of the text, and the logarithm of how likely its window finds it."""

    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Findings:
    """The best pieces of all windows, the best first, and the score of there being none."""

    pieces: list[Found]
    nothing: float

    @property
    def lack(self) -> float:
        """By how much nothing is likelier than the best piece."""
        return self.nothing - self.pieces[0].score if self.pieces else float("inf")


def content(item: Encoded) -> NDArray[np.intp]:
    """The positions of the tokens that stand for characters of the text, in order."""
    offsets = item.row.offsets
    assert offsets is not None
    return np.flatnonzero(offsets[:, 0] < offsets[:, 1])


def borders(windows: Sequence[Encoded], length: int) -> list[Borders]:
    """What each window of one text reads: from its first token on, and to the next window or the end of the text.

    Characters without a token belong to the window that reads on behind them, so that none is left out, but by
    windows that were cut off.
    """
    found = []
    for place, item in enumerate(windows):
        offsets, tokens = item.row.offsets, content(item)
        assert offsets is not None
        start = 0 if place == 0 or not len(tokens) else int(offsets[tokens[0], 0])
        last = place == len(windows) - 1
        whole = last and not item.cut
        end = length if whole or not len(tokens) else int(offsets[tokens[-1], 1])
        found.append(Borders(start, end))
    assert all(one.end >= other.start for one, other in pairwise(found)), "windows of a text overlap"
    return found


def point(windows: Sequence[Encoded], piece: Piece | None, length: int) -> None:
    """Write the targets `start` and `end` of each window: the tokens of the piece, or `NOWHERE`.

    A window that holds a part of it alone points nowhere, but if no window holds all, that with most of it points to
    what it has. A piece whose borders lie inside a token, of which a part is lost, or that no token stands for, counts
    as widened.
    """
    for item in windows:
        item.targets |= {"start": NOWHERE, "end": NOWHERE}
    if piece is None:
        return
    held = [min(end, piece.end) - max(start, piece.start) for start, end in borders(windows, length)]
    most = max(held)
    if most <= 0:
        windows[0].widened = 1
        return
    for item, characters in zip(windows, held, strict=True):
        if characters < most:
            continue
        tokens, offsets = content(item), item.row.offsets
        if not len(tokens) or offsets is None:
            item.widened = 1
            continue
        (first, stop), *_ = touched([(piece.start, piece.end, None)], offsets[tokens])
        first, stop = min(first, len(tokens) - 1), max(stop, min(first, len(tokens) - 1) + 1)
        start, end = int(tokens[first]), int(tokens[stop - 1])
        item.targets |= {"start": start, "end": end}
        exact = (int(offsets[start, 0]), int(offsets[end, 1])) == (piece.start, piece.end)
        item.widened = int(not exact)


def findings(logits: Sequence[NDArray[np.float32]], windows: Sequence[Encoded], longest: int, most: int) -> Findings:
    """The best pieces by the start and end logits (T, 2) of each window; equal pieces of several windows count once.

    The logarithm of what a window gives to its first token at both ends says that it holds no answer; that of the text
    is the least of them. Scores of windows can be compared since each window's are shares of one.
    """
    best: dict[tuple[int, int], float] = {}
    nothing = np.inf
    for logits_T2, item in zip(logits, windows, strict=True):
        tokens, offsets = content(item), item.row.offsets
        assert offsets is not None
        allowed = np.r_[NOWHERE, tokens]
        log_T2 = _log_softmax(logits_T2[allowed].astype(np.float64))
        nothing = min(nothing, float(log_T2[0].sum()))
        for first, last, score in _best_pairs(log_T2[1:, 0], log_T2[1:, 1], longest, most):
            key = int(offsets[tokens[first], 0]), int(offsets[tokens[last], 1])
            best[key] = max(score, best.get(key, -np.inf))
    ordered = sorted((Found(*key, score) for key, score in best.items()), key=lambda found: (-found.score, found))
    return Findings(ordered[:most], nothing)


def shares(found: Findings, threshold: float | None) -> tuple[list[float], float]:
    """The probability of each piece, and of there being no answer, 0 where that is not counted (None).

    No answer is worth less by the threshold, so that it is the likeliest where it is given.
    """
    none = -np.inf if threshold is None else found.nothing - threshold
    scores = np.array([*(piece.score for piece in found.pieces), none])
    finite = np.isfinite(scores)
    if not finite.any():
        return [0.0] * len(found.pieces), 1.0
    weights = np.where(finite, np.exp(scores - scores[finite].max()), 0.0)
    *pieces, none = (weights / weights.sum()).tolist()
    return pieces, none


def _best_pairs(start_T: Floats, end_T: Floats, longest: int, most: int) -> list[tuple[int, int, float]]:
    """The likeliest tokens that a piece begins and ends with, at most `longest` apart."""
    length = len(start_T)
    longest = min(longest, length)
    if not length:
        return []
    ends_TL = np.lib.stride_tricks.sliding_window_view(np.r_[end_T, np.full(longest - 1, -np.inf)], longest)
    scores = (start_T[:, None] + ends_TL).ravel()
    chosen = np.argpartition(-scores, most - 1)[:most] if most < len(scores) else np.arange(len(scores))
    first, after = np.divmod(chosen, longest)
    kept = np.isfinite(scores[chosen])
    return list(zip(first[kept].tolist(), (first + after)[kept].tolist(), scores[chosen][kept].tolist(), strict=True))


def _log_softmax(logits_T2: Floats) -> Floats:
    shifted: Floats = logits_T2 - logits_T2.max(0)
    shifted -= np.log(np.exp(shifted).sum(0))
    return shifted
