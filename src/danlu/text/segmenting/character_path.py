"""The likeliest words of many pieces side by side, by the places of characters in them.

N characters of all texts, P pieces, 8 steps from one of 4 states to another.
"""

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.side_by_side import Bools
from danlu.text.segmenting.character_model import BEGIN, END, FROM, SINGLE, TO
from danlu.text.segmenting.pieces import Pieces
from danlu.text.viterbi import Scores, backwards, best_states

_STEPS = np.stack([np.flatnonzero(state == TO) for state in np.unique(TO)], axis=1)
"""The two steps that lead to each state, (2, 4)."""

_NEVER = np.float32(-1e9)


def word_begins(scores_N8: NDArray[np.float32], pieces: Pieces) -> Bools:
    """Where a word begins in the likeliest path of each piece, or anyway, (N,).

    A piece begins after a word and ends with one; what stands alone after it has its say, unless it is fresh.
    """
    begins = pieces.begins.copy()
    if not len(pieces.first):
        return begins
    lengths = pieces.end - pieces.first
    going = np.searchsorted(-lengths, -np.arange(lengths[0]), "left").tolist()  # pieces that are longer than t
    start_4P = np.full((4, len(lengths)), _NEVER)
    start_4P[SINGLE] = 0

    def pairs(t: int) -> Scores:
        return scores_N8[pieces.first[: going[t]] + t].T[_STEPS]

    final_4P, taken = best_states(start_4P, going, FROM[_STEPS], pairs)
    last_P = np.where(_last_word(final_4P, scores_N8, pieces), SINGLE, END)
    for t, state_P in zip(range(len(going) - 1, -1, -1), backwards(last_P, taken), strict=False):
        begins[pieces.first[: len(state_P)] + t] = (state_P == BEGIN) | (state_P == SINGLE)
    return begins


def _last_word(final_4P: Scores, scores_N8: NDArray[np.float32], pieces: Pieces) -> Bools:
    """Whether the last word of a piece is a single character rather than the end of a longer word, (P,)."""
    single, end = final_4P[SINGLE].copy(), final_4P[END].copy()
    inside = np.flatnonzero(pieces.end < len(pieces.fresh))
    inside = inside[~pieces.fresh[pieces.end[inside]]]
    after = scores_N8[pieces.end[inside]]
    for state, scores in ((SINGLE, single), (END, end)):
        (step,) = np.flatnonzero((state == FROM) & (SINGLE == TO))
        scores[inside] += after[:, step]
    found: Bools = single > end
    return found
