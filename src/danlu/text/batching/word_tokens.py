"""Which token speaks for a word that is cut into several: its first, or its last.

A word is what stands together of letters of scripts that put spaces between words, or of digits, and what combines
with them; any other character is one by itself, as those of Chinese are. T tokens, N characters.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.scripts import DIGIT, HANGUL, JOINER, LATIN, LETTER, MARK, kinds_of
from danlu.data.characters.side_by_side import code_points
from danlu.text.batching.align import Offsets, joined

Speaker = Literal["first", "last"]

LETTERS, EITHER = (LATIN, HANGUL, LETTER), (MARK, JOINER)
"""Kinds of characters that make words together; marks go with letters and with digits."""


def words_of(text: str) -> NDArray[np.int64]:
    """The number of the word of each character, (N,)."""
    kinds_N = kinds_of(code_points(text))
    goes_on_N = np.zeros(len(kinds_N), bool)
    for together in ((*LETTERS, *EITHER), (DIGIT, *EITHER)):
        joins_N = np.isin(kinds_N, together)
        goes_on_N[1:] |= joins_N[1:] & joins_N[:-1]
    return np.cumsum(~goes_on_N)


def words_given(words: Sequence[str]) -> NDArray[np.int64]:
    """The same of words that are given, in the text that is made of them; spaces between them stand alone."""
    text, borders = joined(words)
    begins_N = np.ones(len(text), bool)
    for start, end in borders.tolist():
        begins_N[start + 1 : end] = False
    return np.cumsum(begins_N)


def cut_words(borders: Iterable[int], words_N: NDArray[np.int64]) -> int:
    """How many borders, between two characters, stand inside a word."""
    inside = [place for place in borders if 0 < place < len(words_N)]
    return int((words_N[inside] == words_N[np.array(inside, np.int64) - 1]).sum()) if inside else 0


def speaking(offsets_T2: Offsets, words_N: NDArray[np.int64], speaker: Speaker, *, window: bool = False) -> Offsets:
    """The characters that each token speaks for, (T, 2): those of its whole word, or none where another one does.

    Tokens without characters speak for none. A `window` of a longer text may begin and end within a word, of which
    it does not have the token that speaks.
    """
    real = np.flatnonzero(offsets_T2[:, 0] < offsets_T2[:, 1])
    found = np.zeros_like(offsets_T2)
    if not len(real):
        return found
    starts, ends = offsets_T2[real].T
    word_R = words_N[starts]
    same_R = word_R[1:] == word_R[:-1]
    first_R, last_R = np.r_[True, ~same_R], np.r_[~same_R, True]
    spans_R2 = np.stack([starts[first_R], np.maximum.reduceat(ends, np.flatnonzero(first_R))], 1)
    speaks_R = first_R if speaker == "first" else last_R
    found[real[speaks_R]] = spans_R2
    if window:
        begins, stop = int(starts[0]), int(ends[-1])
        if speaker == "first" and begins and words_N[begins - 1] == words_N[begins]:
            found[real[0]] = 0
        if speaker == "last" and stop < len(words_N) and words_N[stop - 1] == words_N[stop]:
            found[real[-1]] = 0
    return found
