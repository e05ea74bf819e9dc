"""What readers take for one character, where it is several code points: grapheme clusters (Unicode annex 29).

A letter with its marks, an emoji with its skin tone, a family of emoji, a flag, a Korean syllable of parts. N
characters of all texts. Where the annex leaves a case to newer versions of itself, the characters stay together.
"""

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.scripts import JOINER, MARK, UNSPACED, kind_table
from danlu.data.characters.side_by_side import Bools, Characters

_EXTENDS, _JOINS, _LINKS, _REGION, _LEADS, _FOLLOWS, _SYLLABLE, _LETTER = (1 << bit for bit in range(8))
"""Belongs to what stands before; to what follows as well; binds the next letter of an Indian script; half a flag;
parts of Korean syllables that begin one, and that go on with one; whole ones; a letter."""

_OTHER_EXTENDS = (0x0E33, 0x0EB3, 0xFF9E, 0xFF9F, *range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080))
"""What is no mark by its category: two vowels, half-width sound marks, skin tones, and tags of flags."""

_PREPENDED = (
    *range(0x0600, 0x0606), 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x0D4E, 0x110BD, 0x110CD, 0x111C2, 0x111C3, 0x113D1,
    0x1193F, 0x11941, *range(0x11A84, 0x11A8A), 0x11D46, 0x11F02,
)  # fmt: skip
_LINKERS = (
    0x094D, 0x09CD, 0x0ACD, 0x0B4D, 0x0C4D, 0x0D4D, 0x1039, 0x17D2, 0x1A60, 0x1B44, 0x1BAB, 0xA9C0, 0xAAF6, 0x10A3F,
    0x11133, 0x113D0, 0x1193E, 0x11A47, 0x11A99, 0x11F42,
)  # fmt: skip


def goes_on(given: Characters) -> Bools:
    """Where a character belongs to the cluster of the one before it, (N,)."""
    size = len(given.codes)
    if not size or int(given.codes.max()) < 0x300:  # the first mark; before it, only the two ends of a line
        return _line_ends(given)
    flags = _flags()[given.codes]
    before = np.roll(flags, 1)
    place = np.arange(size)
    border = given.begins()

    found: Bools = (flags & _EXTENDS) > 0
    found |= (before & _JOINS) > 0
    found |= ((before & _LEADS) > 0) & ((flags & (_LEADS | _SYLLABLE)) > 0)
    found |= ((before & (_LEADS | _FOLLOWS | _SYLLABLE)) > 0) & ((flags & _FOLLOWS) > 0)

    region = (flags & _REGION) > 0
    if region.any():
        first = region & (border | ~np.roll(region, 1))
        found |= region & ((place - np.maximum.accumulate(np.where(first, place, 0))) % 2 == 1)
    links = (flags & _LINKS) > 0
    if links.any():
        base = np.maximum.accumulate(np.where(~found | border, place, 0))
        link = np.maximum.accumulate(np.where(links, place, -1))
        found |= ((flags & _LETTER) > 0) & (np.roll(link, 1) >= np.roll(base, 1))  # equal: a text begins with a link
    return (found | _line_ends(given)) & ~border


def _line_ends(given: Characters) -> Bools:
    found: Bools = (given.codes == 0x0A) & (np.roll(given.codes, 1) == 0x0D) & ~given.begins()
    return found


@cache
def _flags() -> NDArray[np.uint8]:
    """What each code point does, (0x110000,)."""
    kinds = kind_table()
    table = np.zeros(len(kinds), np.uint8)
    table[(kinds == MARK) | (kinds == JOINER)] |= _EXTENDS
    unspaced = [
        code for code in np.flatnonzero(kinds == UNSPACED).tolist() if unicodedata.category(chr(code))[0] == "M"
    ]
    table[[*unspaced, *_OTHER_EXTENDS]] |= _EXTENDS
    table[[0x200C, 0x200D, *_PREPENDED]] |= _JOINS
    table[[*_LINKERS]] |= _LINKS
    table[0x1F1E6:0x1F200] |= _REGION
    for first, last in ((0x1100, 0x115F), (0xA960, 0xA97C)):
        table[first : last + 1] |= _LEADS
    for first, last in ((0x1160, 0x11FF), (0xD7B0, 0xD7FB)):
        table[first : last + 1] |= _FOLLOWS
    table[0xAC00:0xD7A4] |= _SYLLABLE
    letters = [code for code in range(0x0900, 0x12000) if unicodedata.category(chr(code)) == "Lo"]
    table[letters] |= _LETTER
    return table
