"""A random order of any length whose places can each be looked up by themselves."""

import numpy as np
from numpy.typing import NDArray

from danlu.machine.seed import generator

Places = NDArray[np.int64]

ROUNDS = 6


def permuted(places: Places, count: int, *keys: int | str) -> Places:
    """What stands at these places of a random order of the numbers below `count`; a function of the keys alone.

    A Feistel network (Luby and Rackoff, 1988) over the next power of four permutes; what falls outside walks on
    until it is inside (Black and Rogaway, 2002). No list of `count` numbers is made, and a place takes the same
    time wherever it is.
    """
    assert count > 0, "an order of nothing has no places"
    half = np.uint64(max(1, (count - 1).bit_length() + 1) // 2)
    mask = np.uint64((1 << int(half)) - 1)
    rounds = generator("order", *keys).integers(0, 2**63, ROUNDS, np.uint64)
    found = places.astype(np.uint64)
    outside = np.arange(len(found))
    while len(outside):
        left, right = found[outside] >> half, found[outside] & mask
        for key in rounds:
            left, right = right, left ^ (_mixed(right + key) & mask)
        found[outside] = (left << half) | right
        outside = outside[found[outside] >= count]
    return found.astype(np.int64)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele et al., 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
