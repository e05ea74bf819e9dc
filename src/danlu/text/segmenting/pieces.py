"""Texts cut where words surely end, so that the paths through all pieces are found side by side.

N characters of all texts together, P pieces.
"""

from dataclasses import dataclass

import numpy as np

from danlu.data.characters.scripts import SPACE, kinds_of, plain_forms
from danlu.data.characters.side_by_side import Bools, Characters, Numbers

LONGEST = 256  # characters: a longer run without a cut is cut all the same
_RUNS = (ord("0"), ord("a"))  # what digits and Latin letters fold into


@dataclass(frozen=True)
class Pieces:
    """The stretches between characters that are words by themselves.

    - `first`, `end`: (P,) where a piece begins and ends, end exclusive, the longest first.
    - `begins`: (N,) where a word begins whatever the path: at pieces, at what stands alone, at a run of white space.
    - `fresh`: (N,) what comes first in a text or after white space.
    """

    first: Numbers
    end: Numbers
    begins: Bools
    fresh: Bools


def cut_pieces(given: Characters, alone: Bools) -> Pieces:
    """Cut texts at white space and at the characters that are always `alone`, (0x110000,)."""
    size = len(given.codes)
    border = given.begins()
    space = kinds_of(given.codes) == SPACE
    solo = alone[given.codes] | space
    after = np.roll(solo, 1)
    after_space = np.roll(space, 1) & ~border
    starts = ~solo & (border | after)
    place = np.arange(size)
    run = place - np.maximum.accumulate(np.where(starts, place, 0)) if size else place
    starts |= ~solo & (run % LONGEST == 0) & (run > 0)
    ends = ~solo & np.r_[(solo | border | starts)[1:], np.ones(min(size, 1), np.bool_)]
    first, end = np.flatnonzero(starts), np.flatnonzero(ends) + 1
    order = np.argsort(first - end, kind="stable")
    begins = border | starts | (solo & ~space) | (space & ~after_space)
    return Pieces(first[order], end[order], begins, border | after_space)


def within_runs(given: Characters) -> Bools:
    """What stands between two digits or two Latin letters, where no word begins, (N,).

    Of 1,011,501 words of the People's Daily (the first nine tenths of January 1998), 345 do.
    """
    codes = plain_forms()[given.codes]
    inside = np.zeros(len(codes), np.bool_)
    inside[1:] = (codes[1:] == codes[:-1]) & np.isin(codes[1:], _RUNS)
    return inside
