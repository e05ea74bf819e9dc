"""What kind of character each code point is, looked up for millions at a time.

Categories and scripts of the Unicode Standard (annexes 24 and 44), by blocks where a script is written without
spaces between its words. N characters.
"""

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

SPACE, HAN, UNSPACED, LATIN, LETTER, DIGIT, SIGN, OTHER = range(8)
"""White space; Chinese; other scripts without spaces (kana, Thai, Lao, Khmer, Burmese); Latin; other letters and
marks; digits; punctuation and symbols; controls and what is not assigned."""

_BLOCKS = (
    (HAN, 0x2E80, 0x2FDF),
    (HAN, 0x3005, 0x3007),
    (HAN, 0x3400, 0x4DBF),
    (HAN, 0x4E00, 0x9FFF),
    (HAN, 0xF900, 0xFAFF),
    (HAN, 0x20000, 0x323AF),
    (UNSPACED, 0x3040, 0x30FF),
    (UNSPACED, 0x31F0, 0x31FF),
    (UNSPACED, 0xFF66, 0xFF9F),
    (UNSPACED, 0x0E00, 0x0EFF),
    (UNSPACED, 0x1000, 0x109F),
    (UNSPACED, 0x1780, 0x17FF),
    (LATIN, 0x0041, 0x024F),
    (LATIN, 0x1E00, 0x1EFF),
    (LATIN, 0xFF21, 0xFF5A),
)
"""Kind of the letters from one code point to another; signs and digits among them stay what they are."""

Codes = NDArray[np.uint32]
Kinds = NDArray[np.uint8]


def code_points(text: str) -> Codes:
    """The characters of a text as numbers, (N,); lone surrogates keep theirs."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def kinds_of(codes_N: Codes) -> Kinds:
    """The kind of each character, (N,)."""
    return _table()[codes_N]


@cache
def _table() -> Kinds:
    """The kind of every code point; 1.1 MB, made in a third of a second."""
    by_category = {"L": LETTER, "M": LETTER, "N": DIGIT, "P": SIGN, "S": SIGN, "Z": SPACE, "C": OTHER}
    table = np.array([by_category[unicodedata.category(chr(code))[0]] for code in range(0x110000)], np.uint8)
    for kind, first, last in _BLOCKS:
        block = table[first : last + 1]
        block[block == LETTER] = kind
    table[[0x3007, *range(0x3021, 0x302A)]] = HAN  # numerals that stand among Chinese characters
    table[[9, 10, 11, 12, 13, 28, 29, 30, 31, 0x85]] = SPACE
    return table
