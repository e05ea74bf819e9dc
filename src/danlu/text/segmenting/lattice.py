"""All words that a text may be made of, and the likeliest way through them (Viterbi, 1967).

N characters of all texts, E edges (words that may stand somewhere), M pairs of edges that meet, P pieces.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.side_by_side import Bools, Numbers
from danlu.text.segmenting.pieces import Pieces

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Lattice:
    """Words that may stand in pieces.

    - `start`, `end`, `word`: (E,) of an edge, by its place in the piece, so that what leads to it comes before it.
    - `place`: (E,) characters of the piece before it.
    - `before`, `after`: (M,) edges of which the first ends where the second begins, sorted by the second.
    - `pairs`: (E + 1,) where the pairs of each second edge begin, and M.
    """

    start: Numbers
    end: Numbers
    word: Numbers
    place: Numbers
    before: Numbers
    after: Numbers
    pairs: Numbers


def lattice(start_E: Numbers, length_E: Numbers, word_E: Numbers, pieces: Pieces, size: int) -> Lattice:
    """The lattice of edges that lie within pieces, in `size` characters; of equal places the first edge counts."""
    firsts = np.zeros(size + 1, np.int64)
    firsts[pieces.first] = pieces.first
    piece_first = np.maximum.accumulate(firsts)
    code = (start_E - piece_first[start_E]) * (size + 1) + start_E  # by place in the piece, then by piece
    order = np.lexsort((length_E, code))
    start, length = start_E[order], length_E[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (start[1:] != start[:-1]) | (length[1:] != length[:-1])
    order, start, length = order[new], start[new], length[new]
    end, place = start + length, start - piece_first[start]
    ending = np.argsort(end, kind="stable")
    counts = np.bincount(end, minlength=size + 1)
    first_ending = np.cumsum(counts) - counts
    before_each = np.where(place > 0, counts[start], 0)
    pairs = np.concatenate([[0], np.cumsum(before_each)])
    after = np.repeat(np.arange(len(start)), before_each)
    before = ending[first_ending[start[after]] + np.arange(len(after)) - pairs[after]]
    return Lattice(start, end, word_E[order], place, before, after, pairs)


def best_begins(given: Lattice, edge_E: Floats, first_E: Floats, pair_M: Floats, last_E: Floats, begins: Bools) -> None:
    """Mark in `begins`, (N,), where the words of the likeliest way through each piece begin.

    Log-probabilities: `edge_E` of an edge whatever stands before it, `first_E` of being the first of its piece,
    `pair_M` of following another, `last_E` of being the last of its piece, -inf where it is not.
    """
    score_E = edge_E + first_E
    back_E = np.full(len(edge_E), -1)
    steps = np.searchsorted(given.place, np.arange(1, given.place[-1] + 2) if len(given.place) else [0])
    for low, high in zip(steps[:-1].tolist(), steps[1:].tolist(), strict=True):
        if low == high:
            continue
        first, last = given.pairs[low], given.pairs[high]
        here = score_E[given.before[first:last]] + pair_M[first:last]
        best = np.maximum.reduceat(here, given.pairs[low:high] - first)
        after = given.after[first:last]
        chosen = np.flatnonzero(here == best[after - low])
        back_E[after[chosen]] = given.before[first:last][chosen]
        score_E[low:high] = best + edge_E[low:high]
    lasts = np.flatnonzero(last_E > -np.inf)
    order = np.lexsort((score_E[lasts] + last_E[lasts], given.end[lasts]))
    lasts = lasts[order]
    ends = given.end[lasts]
    way = lasts[np.r_[ends[1:] != ends[:-1], np.ones(min(len(ends), 1), np.bool_)]]
    while len(way):
        begins[given.start[way]] = True
        way = back_E[way]
        way = way[way >= 0]
