"""The likeliest words of many pieces side by side, by the places of characters in them (Viterbi, 1967).

N characters of all texts, P pieces, T characters of the longest piece, 8 steps.
"""

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.side_by_side import Bools, Numbers
from danlu.text.segmenting.character_model import BEGIN, END, FROM, MIDDLE, SINGLE, TO
from danlu.text.segmenting.pieces import Pieces

_WAYS = {int(state): np.flatnonzero(state == TO) for state in np.unique(TO)}
"""The two steps that lead to each state."""

_NEVER = np.float32(-1e9)


def word_begins(scores_N8: NDArray[np.float32], pieces: Pieces) -> Bools:
    """Where a word begins in the likeliest path of each piece, or anyway, (N,).

    A piece begins after a word and ends with one; what stands alone after it has its say, unless it is fresh.
    """
    begins = pieces.begins.copy()
    if not len(pieces.first):
        return begins
    lengths = pieces.end - pieces.first
    going = np.searchsorted(-lengths, -np.arange(lengths[0]), "left")  # pieces that are longer than t
    second_T4P = np.zeros((lengths[0], 4, len(lengths)), np.bool_)
    score_4P = np.full((4, len(lengths)), _NEVER)
    score_4P[SINGLE] = 0
    final_4P = score_4P
    for t, count in enumerate(going.tolist()):
        step_8P = scores_N8[pieces.first[:count] + t].T
        found_4P = np.empty((4, count), np.float32)
        for state, (one, other) in _WAYS.items():
            first = score_4P[FROM[one], :count] + step_8P[one]
            second = score_4P[FROM[other], :count] + step_8P[other]
            second_T4P[t, state, :count] = second > first
            np.maximum(first, second, out=found_4P[state])
        score_4P = found_4P
        final_4P[:, :count] = score_4P
    state_P = np.where(_last_word(final_4P, scores_N8, pieces), SINGLE, END)
    _go_back(begins, state_P, second_T4P, going, pieces.first)
    return begins


def _last_word(final_4P: NDArray[np.float32], scores_N8: NDArray[np.float32], pieces: Pieces) -> Bools:
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


def _go_back(begins: Bools, state_P: Numbers, second_T4P: Bools, going: Numbers, first: Numbers) -> None:
    ways = np.array([FROM[_WAYS[state]] for state in (BEGIN, MIDDLE, END, SINGLE)])
    for t in range(len(going) - 1, -1, -1):
        state = state_P[: going[t]]
        begins[first[: going[t]] + t] = (state == BEGIN) | (state == SINGLE)
        chosen = second_T4P[t, state, np.arange(len(state))]
        state_P[: going[t]] = ways[state, chosen.astype(np.int64)]
