"""All words that a text may be made of, and the likeliest way through them.

N characters of all texts, E edges (words that may stand somewhere), M pairs of edges that meet, P pieces.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.side_by_side import Bools, Numbers
from danlu.text.segmenting.pieces import Pieces
from danlu.text.viterbi import best_words

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Lattice:
    """Words that may stand in pieces.

    - `start`, `end`, `word`: (E,) of an edge, by its place in the piece, so that what leads to it comes before it;
      of one place, the edges into which most others lead come first.
    - `place`: (E,) characters of the piece before it.
    - `before`, `after`: (M,) edges of which the first ends where the second begins: the last such edge of each second
      one, then the last but one of each, and so on; `ranks`: where each of these ranks begins, and M.
    """

    start: Numbers
    end: Numbers
    word: Numbers
    place: Numbers
    before: Numbers
    after: Numbers
    ranks: Numbers


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
    counts = np.bincount(end, minlength=size + 1)
    ways = np.where(place > 0, counts[start], 0)
    most = int(ways.max(initial=0))
    code = place * (most + 1) + most - ways
    kept = np.argsort(
        code.astype(np.min_scalar_type(int(code.max(initial=0)))), kind="stable"
    )  # few bits: a radix sort
    order, start, end, place, ways = order[kept], start[kept], end[kept], place[kept], ways[kept]
    ending = np.argsort(end, kind="stable")
    last_ending = np.cumsum(counts) - 1
    after = [np.flatnonzero(ways > rank) for rank in range(most)]
    before = [ending[last_ending[start[edges]] - rank] for rank, edges in enumerate(after)]
    ranks = np.cumsum([0, *map(len, after)])
    none = np.zeros(0, np.int64)
    return Lattice(
        start, end, word_E[order], place, np.concatenate([none, *before]), np.concatenate([none, *after]), ranks
    )


def best_begins(given: Lattice, edge_E: Floats, first_E: Floats, pair_M: Floats, last_E: Floats, begins: Bools) -> None:
    """Mark in `begins`, (N,), where the words of the likeliest way through each piece begin.

    Log-probabilities: `edge_E` of an edge whatever stands before it, `first_E` of being the first of its piece,
    `pair_M` of following another, `last_E` of being the last of its piece, -inf where it is not.
    """
    score_E = edge_E + np.where(given.place == 0, first_E, np.float32(0))
    steps = np.searchsorted(given.place, np.arange(given.place[-1] + 2)).tolist() if len(given.place) else [0]
    before_E = best_words(score_E, steps, given.ranks.tolist(), given.after, given.before, pair_M)
    lasts = np.flatnonzero(last_E > -np.inf)
    order = np.lexsort((score_E[lasts] + last_E[lasts], given.end[lasts]))
    lasts = lasts[order]
    ends = given.end[lasts]
    way = lasts[np.r_[ends[1:] != ends[:-1], np.ones(min(len(ends), 1), np.bool_)]]
    while len(way):
        begins[given.start[way]] = True
        way = before_E[way]
        way = way[way >= 0]
