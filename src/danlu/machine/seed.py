"""Random numbers that depend on names alone: the same keys give the same stream on every machine."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def generator(*keys: int | str) -> np.random.Generator:
    """A PCG64 generator (O'Neill, 2014) seeded by a hash of the keys, such as `generator(seed, "split")`.

    `1` and `"1"` are different keys, and `("ab", "c")` differs from `("a", "bc")`.
    """
    digest = hashlib.sha256(repr(keys).encode("utf-8")).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def drawn(items: Sequence[Item], most: int, *keys: int | str) -> list[Item]:
    """At most so many of some items, drawn from all of them by the keys, in the order in which they stand."""
    if len(items) <= most:
        return list(items)
    return [items[place] for place in sorted(generator(*keys).permutation(len(items))[:most].tolist())]
