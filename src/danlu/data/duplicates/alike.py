"""Rows joined into clusters by equal keys, and by true similarity where keys only hint at it.

Rows are numbers from 0 on. The first row of a cluster names it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from danlu.data.duplicates.folded import folded
from danlu.data.duplicates.minhash import Hashes, hashed_shingles

Rows = NDArray[np.int64]
Pairs = NDArray[np.int64]
"""(P, 2), the lower row first."""

Verify = Callable[[Pairs], NDArray[np.float64]]
"""The true similarity of pairs, (P,)."""

_WINDOW = 32
"""Neighbours that a row of a crowded band is compared with, beside the first row of the band."""

_TRIES = 128
"""Comparisons that may find a row unlike others; two such rows are not compared any more."""

_TRIES_IN_CROWD = 32
"""The same where more than `_WINDOW` rows share a key, as texts from one template do: that tells little of a pair."""

_GATHERED = 2**17
"""Pairs that are compared together, so that their texts are fetched together."""

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


def join_equal(forest: Forest, keys: Hashes, rows: Rows) -> None:
    """Unite rows of equal keys; keys (M,), or (M, 2) of 128 bits; `rows` (M,) ascending."""
    order, begins = _grouped(keys)
    if len(order):
        group = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
        again = ~begins
        forest.join(np.stack([rows[order[group[again]]], rows[order[again]]], axis=1))


def join_alike(
    forest: Forest,
    bands: Iterable[tuple[Hashes, Rows]],
    similarity: float,
    verify: Verify,
    *,
    firsts: NDArray[np.bool_],
) -> int:
    """Unite rows that share a key of a band and are as similar as asked, band by band.

    `bands` are the keys of rows, (M,) each with the rows (M,) ascending. Rows that are not in `firsts`, (N,), equal
    one that is and are passed over. Pairs that are in one cluster already are not compared, and no row is compared
    for ever, so the work grows with N. Gives how many rows were not compared with all that share a key with them.
    """
    unlike, tries = _Unlike(), np.zeros(len(firsts), np.int32)
    others = np.full(len(firsts), -1, forest.parents.dtype)
    """A row of the crowd that each row was in, -1 for none."""
    found = (part for keys, rows in bands for part in candidates(keys[firsts[rows]], rows[firsts[rows]], others))
    for pairs in _gathered(forest, found, tries, others):
        codes, places = np.unique(pairs[:, 0] << 32 | pairs[:, 1], return_index=True)
        new = _apart(forest, pairs[places]) & ~unlike.holds(codes)
        codes, compared = codes[new], pairs[places[new]]
        if not len(compared):
            continue
        alike = verify(compared) >= similarity
        forest.join(compared[alike])
        np.add.at(tries, compared[~alike].reshape(-1), 1)
        unlike.add(codes[~alike])
    crowded = np.flatnonzero(others >= 0)
    return int(_apart(forest, np.stack([crowded, others[crowded].astype(np.int64)], axis=1)).sum())


class _Unlike:
    """Pairs known to be unlike: sorted runs, each half as long as the one before at most, so that adding is cheap."""

    def __init__(self) -> None:
        self._runs: list[NDArray[np.int64]] = []

    def add(self, codes: NDArray[np.int64]) -> None:
        """Remember codes, ascending, while there is room."""
        if sum(map(len, self._runs)) >= _REMEMBERED:
            return
        self._runs.append(codes)
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            self._runs[-2:] = [np.sort(np.concatenate(self._runs[-2:]), kind="stable")]  # merges the two

    def holds(self, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which codes are known."""
        found = np.zeros(len(codes), bool)
        for run in self._runs:
            if len(run):
                found |= run[np.minimum(np.searchsorted(run, codes), len(run) - 1)] == codes
        return found


def _gathered(
    forest: Forest, found: Iterable[tuple[Pairs, int]], tries: NDArray[np.int32], others: NDArray[np.signedinteger]
) -> Iterator[Pairs]:
    """Pairs of rows that are not in one cluster yet, some at a time; of two that were tried enough none.

    The first come at once: they join most of what is alike, and with it most of the pairs that other bands repeat.
    """
    held: list[Pairs] = []
    size, enough = 0, 1
    for given, most in found:
        pairs = given[_apart(forest, given)]
        tired = (tries[pairs] >= most).all(axis=1)
        others[pairs[tired, 0]] = pairs[tired, 1]
        others[pairs[tired, 1]] = pairs[tired, 0]
        held.append(pairs[~tired])
        size += len(held[-1])
        if size >= enough:
            yield np.concatenate(held)
            held, size, enough = [], 0, _GATHERED
    if size:
        yield np.concatenate(held)


def _apart(forest: Forest, pairs: Pairs) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = forest.roots(pairs[:, 0]) != forest.roots(pairs[:, 1])
    return found


def candidates(keys: Hashes, rows: Rows, others: NDArray[np.signedinteger]) -> Iterator[tuple[Pairs, int]]:
    """Pairs of rows with equal keys, each part with how often such rows may be tried.

    Rows are paired with the first of their key, then, as that may be a stranger, with near neighbours; where these
    are not all that share the key, the first is written to `others`, (N,).
    """
    order, begins = _grouped(keys)
    shared = ~begins
    shared[:-1] |= ~begins[1:]
    order, begins = order[shared], begins[shared]
    starts = np.flatnonzero(begins)
    sizes = np.diff(np.append(starts, len(order)))
    crowded = np.repeat(sizes > _WINDOW + 1, sizes)
    for chosen, most in ((~crowded, _TRIES), (crowded, _TRIES_IN_CROWD)):
        members = rows[order[chosen]]
        if len(members):
            heads = np.repeat(rows[order[starts]], sizes)[chosen]
            if most == _TRIES_IN_CROWD:
                others[members] = heads
            yield from ((pairs, most) for pairs in _paired(members, begins[chosen]))


def _paired(rows: Rows, begins: NDArray[np.bool_]) -> Iterator[Pairs]:
    """Pairs within groups of rows, which begin where it is said: each with the first, then with near neighbours."""
    group = np.maximum.accumulate(np.where(begins, np.arange(len(rows)), 0))
    yield _ordered(rows[group[~begins]], rows[~begins])
    left = np.arange(len(rows))
    for distance in range(1, _WINDOW + 1):
        left = left[left + distance < len(rows)]
        left = left[group[left] == group[left + distance]]
        left = left[group[left] != left]
        if not len(left):
            return
        yield _ordered(rows[left], rows[left + distance])


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


def _similarities(hashes: Hashes, starts: Rows, pairs: Pairs) -> NDArray[np.float64]:
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


def _different(words: Hashes) -> Hashes:
    new = np.ones(len(words), bool)
    np.not_equal(words[1:], words[:-1], out=new[1:])
    return words[new]


def _grouped(keys: Hashes) -> tuple[Rows, NDArray[np.bool_]]:
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
