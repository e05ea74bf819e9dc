"""What kind of character each code point is, looked up for millions at a time.

Categories and scripts of the Unicode Standard (annexes 24 and 44). N characters.
"""

import unicodedata
from functools import cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.side_by_side import Codes

(
    OTHER,
    SPACE,
    DIGIT,
    LATIN,
    HAN,
    KANA,
    HANGUL,
    UNSPACED,
    LETTER,
    MARK,
    PUNCTUATION,
    SYMBOL,
    JOINER,
) = range(13)
"""Controls and what is not assigned; white space; digits; four scripts; other scripts without spaces between words
(Thai, Lao, Khmer, Burmese), their marks included; letters of any other; marks that combine with what stands before;
punctuation; symbols; and zero-width joiners, which bind what stands on both sides."""

KINDS = 13

Kinds = NDArray[np.uint8]

_ALL = 0x110000
_TOLD = ((0, 0x20000), (0xE0000, 0xE0200))
"""Where characters differ; between them are Han characters (extensions B to J, Unicode 17) and what has no meaning."""

_HAN_BEYOND = slice(0x20000, 0x33480)

_BY_CATEGORY = {"Z": SPACE, "N": DIGIT, "L": LETTER, "M": MARK, "P": PUNCTUATION, "S": SYMBOL}

_SCRIPTS = (
    (LATIN, 0x0041, 0x024F),
    (LATIN, 0x1E00, 0x1EFF),
    (LATIN, 0xFF21, 0xFF5A),
    (HAN, 0x3005, 0x3007),
    (HAN, 0x3400, 0x4DBF),
    (HAN, 0x4E00, 0x9FFF),
    (HAN, 0xF900, 0xFAFF),
    (KANA, 0x3041, 0x30FF),
    (KANA, 0x31F0, 0x31FF),
    (KANA, 0xFF66, 0xFF9F),
    (HANGUL, 0x1100, 0x11FF),
    (HANGUL, 0x3130, 0x318F),
    (HANGUL, 0xAC00, 0xD7A3),
    (UNSPACED, 0x0E00, 0x0EFF),
    (UNSPACED, 0x1000, 0x109F),
    (UNSPACED, 0x1780, 0x17FF),
)
"""Kind of the letters from one code point to another; signs and digits among them stay what they are."""


def kinds_of(codes_N: Codes) -> Kinds:
    """The kind of each character, (N,)."""
    return kind_table()[codes_N]


@cache
def kind_table() -> Kinds:
    """The kind of every code point, (0x110000,)."""
    table = np.zeros(_ALL, np.uint8)
    told = list(chain.from_iterable(range(first, end) for first, end in _TOLD))
    table[told] = [_BY_CATEGORY.get(unicodedata.category(chr(code))[0], OTHER) for code in told]
    for kind, first, last in _SCRIPTS:
        part = table[first : last + 1]
        part[(part == LETTER) | ((part == MARK) & (kind == UNSPACED))] = kind
    table[_HAN_BEYOND] = HAN
    table[[0x3007, *range(0x3021, 0x302A)]] = HAN  # numerals that stand among Chinese characters
    table[[code for code in told if chr(code).isspace()]] = SPACE
    table[[0x200C, 0x200D]] = JOINER
    return table


@cache
def plain_forms() -> Codes:
    """Every code point, decimal digits as `0`, Latin letters as `a`, full-width marks as narrow ones, (0x110000,)."""
    table = np.arange(_ALL, dtype=np.uint32)
    table[0xFF01:0xFF5F] -= 0xFEE0
    table[[code for code in range(_TOLD[0][1]) if chr(code).isdecimal()]] = ord("0")
    table[kind_table() == LATIN] = ord("a")
    return table
