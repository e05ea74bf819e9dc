"""Rows joined into clusters by equal keys, and by true similarity where keys only hint at it.

Rows are numbers from 0 on. The first row of a cluster names it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from danlu.data.folded import folded
from danlu.data.minhash import Words, hashed_shingles

Rows = NDArray[np.int64]
Pairs = NDArray[np.int64]
"""(P, 2), the lower row first."""

Verify = Callable[[Pairs], NDArray[np.float64]]
"""The true similarity of pairs, (P,)."""

_WINDOW = 32
"""Neighbours that a row of a crowded band is compared with, beside the first row of the band."""

_REMEMBERED = 2**24
"""Pairs known to be unlike that are not compared again: 128 MiB of them."""


class Forest:
    """Union-find (Tarjan, 1975) on arrays: `parents[row]` is the first row of its cluster, itself, or on the way."""

    def __init__(self, parents: NDArray[np.signedinteger]) -> None:
        """Begin with clusters that are known: (N,), each row's first one."""
        self.parents = parents

    def roots(self, rows: Rows) -> Rows:
        """The first rows of their clusters."""
        found = self.parents[rows]
        while True:
            above = self.parents[found]
            if np.array_equal(above, found):
                return found.astype(np.int64)
            found = above

    def join(self, pairs: Pairs) -> None:
        """Unite the clusters of each pair."""
        low, high = self.roots(pairs[:, 0]), self.roots(pairs[:, 1])
        while True:
            low, high = np.minimum(low, high), np.maximum(low, high)
            apart = low != high
            if not apart.any():
                break
            low, high = low[apart], high[apart]
            np.minimum.at(self.parents, high, low.astype(self.parents.dtype))
            low, high = self.roots(low), self.roots(high)

    def clusters(self) -> NDArray[np.signedinteger]:
        """The first row of each row's cluster, (N,)."""
        while True:
            above = self.parents[self.parents]
            if np.array_equal(above, self.parents):
                return self.parents
            self.parents = above


def join_equal(forest: Forest, keys: Words, rows: Rows) -> None:
    """Unite rows of equal keys; keys (M,), or (M, 2) of 128 bits; `rows` (M,) ascending."""
    order, begins = _grouped(keys)
    if len(order):
        group = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
        again = ~begins
        forest.join(np.stack([rows[order[group[again]]], rows[order[again]]], axis=1))


def join_alike(
    forest: Forest, bands: Iterable[tuple[Words, Rows]], similarity: float, verify: Verify, *, firsts: NDArray[np.bool_]
) -> None:
    """Unite rows that share a key of a band and are as similar as asked, band by band.

    `bands` are the keys of rows, (M,) each with the rows (M,) ascending. Rows that are not in `firsts`, (N,), equal
    one that is and are passed over. Pairs that are in one cluster already are not compared.
    """
    unlike = np.empty(0, np.int64)
    for keys, rows in bands:
        kept = firsts[rows]
        for pairs in candidates(keys[kept], rows[kept]):
            roots = forest.roots(pairs[:, 0]), forest.roots(pairs[:, 1])
            open_pairs = pairs[roots[0] != roots[1]]
            codes = open_pairs[:, 0] << 32 | open_pairs[:, 1]
            codes, places = np.unique(codes, return_index=True)
            new = ~_holds(unlike, codes)
            open_pairs, codes = open_pairs[places[new]], codes[new]
            if not len(open_pairs):
                continue
            alike = verify(open_pairs) >= similarity
            forest.join(open_pairs[alike])
            if len(unlike) < _REMEMBERED:
                unlike = np.union1d(unlike, codes[~alike])


def candidates(keys: Words, rows: Rows) -> Iterator[Pairs]:
    """Pairs of rows with equal keys: each with the first, then, as that may be a stranger, with near neighbours."""
    order, begins = _grouped(keys)
    crowded = ~begins
    crowded[:-1] |= ~begins[1:]
    order, begins = order[crowded], begins[crowded]
    if not len(order):
        return
    group = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
    yield _ordered(rows[order[group[~begins]]], rows[order[~begins]])
    left = np.arange(len(order))
    for distance in range(1, _WINDOW + 1):
        left = left[left + distance < len(order)]
        left = left[group[left] == group[left + distance]]
        left = left[group[left] != left]
        if not len(left):
            return
        yield _ordered(rows[order[left]], rows[order[left + distance]])


def similarities(texts: Sequence[str], pairs: Pairs) -> NDArray[np.float64]:
    """The Jaccard similarity of the shingles of pairs of texts, (P,); `pairs` are positions in `texts`."""
    hashes, starts = hashed_shingles(folded(texts))
    found = np.empty(len(pairs))
    sizes = np.diff(starts)
    begin = 0
    while begin < len(pairs):
        # What stays in the cache at a time; one number holds the pair in its 20 upper bits and a hash in the others.
        totals = np.cumsum(sizes[pairs[begin : begin + 2**20]].sum(axis=1))
        end = begin + max(1, int(np.searchsorted(totals, 2**17)))
        end = min(end, len(pairs))
        found[begin:end] = _similarities(hashes, starts, pairs[begin:end])
        begin = end
    return found


def _similarities(hashes: Words, starts: Rows, pairs: Pairs) -> NDArray[np.float64]:
    count = len(pairs)
    sides = []
    for side in range(2):
        lengths = starts[pairs[:, side] + 1] - starts[pairs[:, side]]
        ends = np.cumsum(lengths)
        place = np.arange(int(ends[-1])) + np.repeat(starts[pairs[:, side]] - (ends - lengths), lengths)
        words = hashes[place] >> np.uint64(20)
        words |= np.repeat(np.arange(count, dtype=np.uint64) << np.uint64(44), lengths)
        sides.append(_different(np.sort(words)))
    both = np.sort(np.concatenate(sides))
    shared = both[1:][both[1:] == both[:-1]]
    sizes = np.bincount((both >> np.uint64(44)).astype(np.int64), minlength=count)
    twice = np.bincount((shared >> np.uint64(44)).astype(np.int64), minlength=count)
    return twice / (sizes - twice)


def _different(words: Words) -> Words:
    new = np.ones(len(words), bool)
    np.not_equal(words[1:], words[:-1], out=new[1:])
    return words[new]


def _grouped(keys: Words) -> tuple[Rows, NDArray[np.bool_]]:
    """The order that brings equal keys together, earlier rows first, and where in it each group begins."""
    begins = np.ones(len(keys), bool)
    if keys.ndim == 2:
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        ordered = keys[order]
        begins[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    else:
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        begins[1:] = ordered[1:] != ordered[:-1]
    return order, begins


def _ordered(first: Rows, second: Rows) -> Pairs:
    return np.stack([np.minimum(first, second), np.maximum(first, second)], axis=1)


def _holds(known: NDArray[np.int64], codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which codes are among the known, which are ascending."""
    if not len(known):
        return np.zeros(len(codes), bool)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, codes), len(known) - 1)] == codes
    return found
