"""Many texts as one row of code points, their classes, and the way back from borders to words.

N characters of all texts together.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]
Bools = NDArray[np.bool_]
Numbers = NDArray[np.int64]

OTHER, SPACE, DIGIT, LATIN, HAN, KANA, HANGUL, LETTER, MARK, PUNCTUATION, SYMBOL, JOINER = range(12)
"""Classes of characters; LETTER is of any other alphabet, MARK combines with what stands before it."""

_LAST_TOLD = 0x20000  # beyond it there are Han characters, tags and private use
_HAN_BEYOND = slice(0x20000, 0x33480)  # extensions B to J (Unicode 17)
_ALL = 0x110000
_JOINERS = (0x200C, 0x200D)  # zero width: they bind what stands on both sides


@dataclass(frozen=True)
class Characters:
    """Texts side by side.

    - `whole`: all of them in one.
    - `codes`: (N,) code points.
    - `first`: (texts + 1,) where each text begins, and N.
    """

    whole: str
    codes: Codes
    first: Numbers

    def begins(self) -> Bools:
        """Where a text begins, (N,)."""
        found = np.zeros(len(self.codes), np.bool_)
        found[self.first[:-1][self.first[:-1] < len(self.codes)]] = True
        return found


def characters(texts: Sequence[str]) -> Characters:
    """Lay texts side by side; lone surrogates stay what they are."""
    whole = "".join(texts)
    codes = np.frombuffer(whole.encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    return Characters(whole, codes, np.concatenate([[0], np.cumsum(lengths)]))


def words_at(given: Characters, begins_N: Bools) -> list[list[str]]:
    """The words of each text, `begins_N` telling where one begins; every text begins with one as well."""
    borders = np.flatnonzero(begins_N | given.begins())
    whole = given.whole
    words = [whole[start:end] for start, end in pairwise([*borders.tolist(), len(whole)])]
    places = np.searchsorted(borders, given.first).tolist()
    return [words[start:end] for start, end in pairwise(places)]


def begins_of(sentences: Sequence[Sequence[str]]) -> Bools:
    """Where each word of each sentence begins, (N,): the inverse of `words_at`; no word is empty."""
    count = sum(map(len, sentences))
    lengths = np.fromiter(map(len, chain.from_iterable(sentences)), np.int64, count)
    found = np.zeros(int(lengths.sum()), np.bool_)
    found[np.cumsum(lengths) - lengths] = True
    return found


@cache
def classes() -> NDArray[np.uint8]:
    """The class of every code point (Unicode's categories and scripts, annex 24), (0x110000,)."""
    table = np.zeros(_ALL, np.uint8)
    by_category = {"Z": SPACE, "N": DIGIT, "L": LETTER, "M": MARK, "P": PUNCTUATION, "S": SYMBOL}
    for code in range(_LAST_TOLD):
        table[code] = by_category.get(unicodedata.category(chr(code))[0], OTHER)
    for first, last, script in _SCRIPTS:
        part = table[first : last + 1]
        part[part == LETTER] = script
    table[_HAN_BEYOND] = HAN
    table[[code for code in range(_LAST_TOLD) if chr(code).isspace()]] = SPACE
    table[[*_JOINERS]] = JOINER
    table[0x3007] = HAN  # 〇, a number by its category
    return table


_SCRIPTS = (
    (0x0041, 0x024F, LATIN),
    (0x1E00, 0x1EFF, LATIN),
    (0xFF21, 0xFF5A, LATIN),
    (0x3005, 0x3005, HAN),
    (0x3400, 0x4DBF, HAN),
    (0x4E00, 0x9FFF, HAN),
    (0xF900, 0xFAFF, HAN),
    (0x3041, 0x30FF, KANA),
    (0x31F0, 0x31FF, KANA),
    (0xFF66, 0xFF9F, KANA),
    (0x1100, 0x11FF, HANGUL),
    (0x3130, 0x318F, HANGUL),
    (0xAC00, 0xD7A3, HANGUL),
)


@cache
def folded() -> Codes:
    """Every code point, decimal digits as `0`, Latin letters as `a`, full-width marks as narrow ones, (0x110000,)."""
    table = np.arange(_ALL, dtype=np.uint32)
    table[0xFF01:0xFF5F] -= 0xFEE0
    table[[code for code in range(_LAST_TOLD) if chr(code).isdecimal()]] = ord("0")
    table[classes() == LATIN] = ord("a")
    return table
