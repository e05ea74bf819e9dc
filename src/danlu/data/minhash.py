"""Pairs of texts that are alike, found without comparing every text with every other.

MinHash (Broder, "On the resemblance and containment of documents", 1997) with banding (Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3): texts of Jaccard similarity s agree in all `rows` minima of at
least one of `bands` bands with probability 1 - (1 - s^rows)^bands. What agrees by chance is told by the true
similarity, which the caller asks `jaccard` for.

N texts, S shingles (three characters in a row) in all of them, K minima a text.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHINGLE = 3
"""Characters: unrelated English texts of 2,000 characters share a third of these, of two characters most."""

_MISSED = 1e-3
"""Share of pairs just at the threshold that banding may miss; pairs above it are missed less."""

_MINIMA = 128
_WINDOW = 32
"""Neighbours that a text of a crowded band is compared with, beside the first text of the band."""

Words = NDArray[np.uint64]
Pairs = NDArray[np.int64]


def shingles(text: str) -> frozenset[str]:
    """The different shingles of a text; a shorter text is a shingle itself."""
    return frozenset(text[start : start + SHINGLE] for start in range(max(1, len(text) - SHINGLE + 1)))


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    """Shared shingles over all shingles of two texts (Jaccard, 1901)."""
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared)


def bands_for(similarity: float) -> tuple[int, int]:
    """Bands and rows that miss at most one in a thousand pairs of this similarity, with the longest rows."""
    for rows in range(8, 1, -1):
        bands = math.ceil(math.log(_MISSED) / math.log1p(-(min(similarity, 1 - 1e-9) ** rows)))
        if bands * rows <= _MINIMA:
            return bands, rows
    return _MINIMA // 2, 2


def signatures(texts: Sequence[str], minima: int) -> NDArray[np.uint32]:
    """The least hash of each text's shingles under K hash functions: (K, N), upper halves of 64 bits."""
    hashes, starts = _hashed_shingles(texts)
    rng = np.random.Generator(np.random.PCG64(1997))  # fixed, so that the same texts give the same clusters
    factors = rng.integers(0, 2**63, minima, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    found = np.empty((minima, len(texts)), np.uint32)
    first = 0
    while first < len(texts):
        # About 2^16 shingles at a time stay in the cache through all hash functions.
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + 2**16)))
        last = min(last, len(texts))
        part = hashes[starts[first] : starts[last]]
        within = starts[first:last] - starts[first]
        product = np.empty_like(part)
        for number, factor in enumerate(factors):
            np.multiply(part, factor, out=product)
            found[number, first:last] = np.minimum.reduceat(product, within) >> np.uint64(32)
        first = last
    return found


def alike(texts: Sequence[str], similarity: float) -> Pairs:
    """Pairs (i, j), i < j, of texts that may have at least this similarity: (P, 2), the likeliest first.

    Texts should differ from each other; many equal ones crowd the bands.
    """
    bands, rows = bands_for(similarity)
    minima = signatures(texts, bands * rows)
    found = [_pairs_of_band(minima[band * rows : (band + 1) * rows]) for band in range(bands)]
    codes = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
    pairs = np.stack([codes >> 32, codes & 0xFFFFFFFF], axis=1)
    estimates = np.zeros(len(pairs), np.float32)
    for start in range(0, len(pairs), 2**14):
        part = pairs[start : start + 2**14]
        estimates[start : start + 2**14] = (minima[:, part[:, 0]] == minima[:, part[:, 1]]).mean(axis=0)
    # The estimate strays by sqrt(s (1 - s) / K); four times that leaves out one in ten thousand at the threshold.
    least = similarity - 4 * math.sqrt(max(similarity * (1 - similarity), 0.01) / (bands * rows))
    likely = np.flatnonzero(estimates >= least)
    return pairs[likely[np.argsort(-estimates[likely], kind="stable")]]


def _hashed_shingles(texts: Sequence[str]) -> tuple[Words, NDArray[np.int64]]:
    """Hashes of the shingles of all texts, (S,), and where each text's begin, (N + 1,)."""
    padded = [text.ljust(SHINGLE, "\0") for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    ends = np.cumsum(lengths)
    # A code point has 21 bits, so three of them fit into 64 bits without loss.
    packed = codes[:-2] << np.uint64(42) | codes[1:-1] << np.uint64(21) | codes[2:]
    inside = np.ones(len(packed), bool)
    for back in range(1, SHINGLE):
        inside[ends[:-1] - back] = False
    starts = np.concatenate([[0], np.cumsum(lengths - SHINGLE + 1)])
    return _mixed(packed[inside]), starts


def _mixed(words: Words) -> Words:
    """Every bit depends on every bit: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _pairs_of_band(minima: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Texts whose minima are all equal, as i << 32 | j."""
    keys = np.zeros(minima.shape[1], np.uint64)
    for row in minima:
        keys = _mixed(keys ^ row)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    new = np.concatenate([[True], keys[1:] != keys[:-1]])
    first = np.maximum.accumulate(np.where(new, np.arange(len(keys)), 0))
    found = [np.stack([order[first[~new]], order[~new]])]
    left = np.arange(len(keys))
    for distance in range(1, _WINDOW + 1):
        left = left[left + distance < len(keys)]
        left = left[keys[left] == keys[left + distance]]
        if not len(left):
            break
        found.append(np.stack([order[left], order[left + distance]]))
    pairs = np.concatenate(found, axis=1)
    codes: NDArray[np.int64] = pairs.min(axis=0) << 32 | pairs.max(axis=0)
    return codes
