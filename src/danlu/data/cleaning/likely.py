"""How likely a text is, in bits, whatever its language: by pairs of characters, else by what kind follows what kind.

A small table that was counted in some ninety languages (`benchmarks/likely.py` says in what). A character that
repeats the one before, or is the next of the alphabet, costs little, so that rows of dots or of letters are ordinary.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.side_by_side import Codes, code_points

STEP = 8
"""Costs are kept in eighths of a bit."""

Costs = NDArray[np.float32]

_AGAIN = 5.0  # bits of a character that repeats the one before, or follows it in the code

_RANGES = (
    (0x0000, 0x0009, 0),  # controls
    (0x0009, 0x000E, 1),  # white space
    (0x000E, 0x0020, 0),
    (0x0020, 0x0021, 1),
    (0x0021, 0x0030, 2),  # marks of ASCII
    (0x0030, 0x003A, 3),  # digits
    (0x003A, 0x0041, 2),
    (0x0041, 0x005B, 4),  # Latin capitals
    (0x005B, 0x0061, 2),
    (0x0061, 0x007B, 5),  # Latin small letters
    (0x007B, 0x007F, 2),
    (0x007F, 0x00A0, 0),
    (0x00A0, 0x00C0, 6),  # signs of Latin-1
    (0x00C0, 0x0250, 7),  # further Latin letters, small or (8) capital
    (0x0250, 0x0300, 9),
    (0x0300, 0x0370, 10),  # diacritics that stand apart
    (0x0370, 0x0400, 11),  # Greek, small or (12) capital
    (0x0400, 0x0530, 13),  # Cyrillic, small or (14) capital
    (0x0530, 0x0590, 15),  # Armenian
    (0x0590, 0x0600, 16),  # Hebrew
    (0x0600, 0x0700, 17),  # Arabic
    (0x0750, 0x0780, 17),
    (0x0900, 0x0E00, 18),  # India
    (0x0E00, 0x0E80, 19),  # Thai
    (0x10A0, 0x1100, 20),  # Georgian
    (0x1E00, 0x1F00, 7),
    (0x1F00, 0x2000, 11),
    (0x2000, 0x2070, 21),  # general punctuation
    (0x2070, 0x2E80, 22),  # symbols
    (0x3000, 0x3040, 23),  # Chinese punctuation
    (0x3040, 0x3130, 24),  # kana, bopomofo
    (0x3400, 0xA000, 25),  # Han
    (0xAC00, 0xD7A4, 26),  # Hangul
    (0xF900, 0xFB00, 25),
    (0xFF00, 0xFF66, 23),
    (0xFF66, 0xFFA0, 27),  # half-width kana
    (0x1F000, 0x20000, 28),  # pictures
)
OTHER = 29
_CAPITALS = (7, 11, 13)  # the next number is that of their capitals


@dataclass(frozen=True)
class Likely:
    """Costs in bits: the sum of -log2 of what each character adds.

    - `sort`: (0x110000,) the kind of each code point; `alone`: (0x110000,) cost of one among those of its kind.
    - `leave`: (0x110000,) cost of going on with a pair that is not listed.
    - `follow`: (S, S) cost of the kind of a character after that of the one before.
    - `pairs`: (P,) listed pairs, the first in the upper 21 bits, in order; `costs`: (P,) of the second after the first.
    """

    sort: NDArray[np.uint8]
    alone: Costs
    leave: Costs
    follow: Costs
    pairs: NDArray[np.uint64]
    costs: Costs

    def bits(self, text: str) -> Costs:
        """What each character but the first costs after the one before, (N - 1,)."""
        codes = code_points(text)
        before, after = codes[:-1], codes[1:]
        found = self.follow[self.sort[before], self.sort[after]] + self.alone[after] + self.leave[before]
        keys = paired(before, after)
        places = np.minimum(np.searchsorted(self.pairs, keys), len(self.pairs) - 1)
        listed = self.pairs[places] == keys
        found[listed] = self.costs[places[listed]]
        again = (after == before) | (after == before + 1)
        found[again] = np.minimum(found[again], _AGAIN)
        return found


def paired(before: Codes, after: Codes) -> NDArray[np.uint64]:
    """One number for a pair of characters."""
    return (before.astype(np.uint64) << np.uint64(21)) | after.astype(np.uint64)


def sorts() -> NDArray[np.uint8]:
    """The kind of each code point, (0x110000,)."""
    table = np.full(0x110000, OTHER, np.uint8)
    for first, end, sort in _RANGES:
        table[first:end] = sort
        if sort in _CAPITALS:
            table[[code for code in range(first, end) if chr(code).isupper()]] = sort + 1
    return table


@cache
def likely() -> Likely:
    """The model that is shipped."""
    with np.load(Path(__file__).parent / "likely.npz", allow_pickle=False) as kept:
        sort = sorts()
        rare = kept["rare"].astype(np.float32) / STEP  # of a character that was never seen, by kind
        alone, leave = rare[sort], np.zeros(len(sort), np.float32)
        alone[kept["codes"]] = kept["alone"].astype(np.float32) / STEP
        leave[kept["codes"]] = kept["leave"].astype(np.float32) / STEP
        follow = kept["follow"].astype(np.float32) / STEP
        firsts = kept["codes"][np.cumsum(kept["first_steps"], dtype=np.int64)]
        pairs = paired(firsts, kept["codes"][kept["seconds"]])
        return Likely(sort, alone, leave, follow, pairs, kept["costs"].astype(np.float32) / STEP)
