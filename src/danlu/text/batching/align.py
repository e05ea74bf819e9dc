"""Characters to tokens and back.

Classes of tokens under the BIO scheme (Ramshaw and Marcus, 1995): 0 is outside, 1 + 2k begins and 2 + 2k goes on
with a span of type k. A span is (start, end, type), end exclusive. T tokens.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.word_cutting import laid_out

Span = tuple[int, int, int]
Classes = NDArray[np.int32]
Offsets = NDArray[np.int32]

UNLABELLED = -100


def without_space(offsets_T2: Offsets, text: str) -> Offsets:
    """Offsets without the white space at either end that byte-level tokenizers count in; (T, 2) to (T, 2).

    A token that is nothing but white space keeps its own.
    """
    starts, ends = offsets_T2[:, 0], offsets_T2[:, 1]
    space = np.fromiter((character.isspace() for character in text), bool, len(text))
    some = ends > starts
    if not (space[starts[some]] | space[ends[some] - 1]).any():
        return offsets_T2
    place = np.arange(len(text), dtype=np.int32)
    next_ink = np.minimum.accumulate(np.where(space, len(text), place)[::-1])[::-1]
    last_ink = np.maximum.accumulate(np.where(space, -1, place))
    found = offsets_T2.copy()
    inked = np.flatnonzero(some)
    inked = inked[next_ink[starts[inked]] < ends[inked]]
    found[inked, 0] = next_ink[starts[inked]]
    found[inked, 1] = last_ink[ends[inked] - 1] + 1
    return found


def touched(spans: Sequence[tuple[int, int, Any]], offsets_N2: NDArray[np.integer]) -> list[tuple[int, int]]:
    """Of each span of characters the tokens that it touches: the first, and the one behind the last.

    The tokens stand in order, and each has characters.
    """
    if not spans:
        return []
    edges = np.array([span[:2] for span in spans], np.int64).reshape(-1, 2)
    first = np.searchsorted(offsets_N2[:, 1], edges[:, 0], "right").tolist()
    stop = np.searchsorted(offsets_N2[:, 0], edges[:, 1], "left").tolist()
    return list(zip(first, stop, strict=True))


def label_tokens(spans: Sequence[Span], offsets_T2: Offsets, *, window: bool = False) -> tuple[Classes, int]:
    """The class of each token (T,), and how many spans are not labelled exactly.

    A token that touches a span belongs to it, so a border inside a token widens the span to the whole token; of
    two spans in one token, the earlier one has it. Tokens without characters are -100. In a `window` of a longer
    text a span may begin before the first token, and goes on then; one that lies outside is no loss.
    """
    classes_T = np.where(offsets_T2[:, 0] < offsets_T2[:, 1], 0, UNLABELLED).astype(np.int32)
    real = np.flatnonzero(classes_T == 0)
    starts, ends = offsets_T2[real, 0], offsets_T2[real, 1]
    inexact, taken = 0, 0
    ordered = sorted(spans)
    for (start, end, kind), (first_touched, stop) in zip(ordered, touched(ordered, offsets_T2[real]), strict=True):
        first = max(first_touched, taken)
        if first >= stop:
            inexact += not window or first_touched < stop
            continue
        goes_on = window and first == 0 and start < starts[0]
        cut_off = window and stop == len(real) and end > ends[-1]
        classes_T[real[first:stop]] = 2 + 2 * kind
        if not goes_on:
            classes_T[real[first]] = 1 + 2 * kind
        fits = (goes_on or starts[first] == start) and (cut_off or ends[stop - 1] == end)
        inexact += not fits
        taken = stop
    return classes_T, inexact


def spans_of(classes_T: Classes, offsets_T2: Offsets) -> list[tuple[Span, slice]]:
    """The spans that classes (T,) spell, each with the tokens it is made of; the inverse of `label_tokens`.

    A class that goes on with nothing begins a span of its own, as in the CoNLL-2000 evaluation.
    """
    found: list[tuple[Span, slice]] = []
    first, kind = 0, -1
    for token, value in enumerate([*classes_T.tolist(), 0]):
        if value < 0 or (kind >= 0 and value == 2 + 2 * kind):
            continue  # without characters, or one more token of the span that is open
        if kind >= 0:
            inside = first + np.flatnonzero(classes_T[first:token] >= 0)
            start, end = offsets_T2[inside, 0].min(), offsets_T2[inside, 1].max()
            found.append(((int(start), int(end), kind), slice(first, int(inside[-1]) + 1)))
        first, kind = token, (value - 1) // 2 if value > 0 else -1
    return found


def joined(tokens: Sequence[str]) -> tuple[str, Offsets]:
    """Text that is made of tokens, with the characters of each, (N, 2).

    A space stands between two tokens unless one of them is of a script without spaces, or Korean, at the seam.
    """
    text, borders = laid_out(tokens, lambda one, two: "" if _wide(one[-1:]) or _wide(two[:1]) else " ")
    return text, np.array(borders, np.int32).reshape(-1, 2)


_UNSPACED = (
    *(("\u2e80", "\ud7ff"), ("\uf900", "\ufaff"), ("\ufe30", "\uffef"), ("\U00020000", "\U0003ffff")),
    *(("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff")),
)
"""Chinese, Japanese, Korean (whose tokens may be parts of words) and full width; Thai, Lao, Burmese and Khmer."""


def _wide(character: str) -> bool:
    """Whether a character belongs to a script without spaces between words, or to its punctuation."""
    return any(first <= character <= last for first, last in _UNSPACED)
