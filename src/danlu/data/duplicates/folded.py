"""Texts as folded code points: without white space, in one case and one width, for comparison alone.

What is folded is compatibility forms (NFKC, Unicode annex 15), case (Unicode 3.13) and white space, each code point by
itself: one look into a table. Only texts whose letters are written in parts (diacritics, Korean syllables, Japanese
sound marks) are composed (NFC) before.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.composed import composed
from danlu.data.characters.side_by_side import Characters, characters

Codes = NDArray[np.uint32]
Starts = NDArray[np.int64]

_DROPPED, _UNKNOWN = 0xFFFFFFFE, 0xFFFFFFFF
_PARTS = ((0x300, 0x36F), (0x1161, 0x11C2), (0x3099, 0x309A))
"""Code points that NFC joins to the letter before them: diacritics, what goes on a Korean syllable, sound marks."""
_table = np.full(0x110000, _UNKNOWN, np.uint32)
"""What each code point becomes; it is looked at when it first occurs, as a corpus holds some thousands."""
_letters = np.zeros(0x110000, bool)
"""Which of these are letters or digits."""


@dataclass(frozen=True)
class Folded:
    """N texts, one after the other.

    - `codes`: code points, (C,).
    - `starts`: where each text begins in them, and the end, (N + 1,).
    """

    codes: Codes
    starts: Starts

    def bytes_of(self, row: int) -> bytes:
        """One text, as UTF-32."""
        return self.codes[self.starts[row] : self.starts[row + 1]].tobytes()


def folded(texts: Sequence[str]) -> Folded:
    """The texts without white space, in one case and one width; a character that becomes several stays."""
    given = composed_characters(texts)
    starts = given.first
    plain = _looked_up(given.codes)
    kept = plain != _DROPPED
    if kept.all():
        return Folded(plain, starts)
    before = np.zeros(len(kept) + 1, np.int64)
    np.cumsum(kept, out=before[1:])
    return Folded(plain[kept], before[starts])


def composed_characters(texts: Sequence[str]) -> Characters:
    """The texts side by side, composed (NFC) where their letters are written in parts."""
    given = characters(texts)
    apart = np.zeros(len(given.codes), bool)
    for first, last in _PARTS:
        apart |= given.codes - np.uint32(first) <= last - first  # what is less wraps around
    if not apart.any():
        return given
    joined = list(texts)
    for row in np.unique(np.searchsorted(given.first, np.flatnonzero(apart), side="right") - 1).tolist():
        joined[row] = composed(joined[row])
    return characters(joined)


def folded_in_place(codes: Codes) -> tuple[Codes, NDArray[np.bool_]]:
    """Each code point folded, none dropped, (C,), and whether it is a letter or digit, (C,)."""
    plain = _looked_up(codes)
    return plain, _letters[codes]


def _looked_up(codes: Codes) -> Codes:
    found: Codes = _table[codes]
    unknown = found == _UNKNOWN
    if unknown.any():
        for code in np.unique(codes[unknown]).tolist():
            _table[code] = _fold(chr(code))
            _letters[code] = chr(code).isalnum()
        found = _table[codes]
    return found


def _fold(character: str) -> int:
    """The code point that a character becomes, or that it is dropped."""
    text = unicodedata.normalize("NFKC", character).casefold()
    if not text.strip():
        return _DROPPED
    return ord(text) if len(text) == 1 else ord(character)
