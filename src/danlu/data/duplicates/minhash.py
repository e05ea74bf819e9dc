"""Texts that may be alike, told by equal keys, without comparing every text with every other.

MinHash (Broder, "On the resemblance and containment of documents", 1997) with banding (Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3): texts of Jaccard similarity s agree in all `rows` minima of at
least one of `bands` bands with probability 1 - (1 - s^rows)^bands. One hash function gives all minima: its values
fall into K bins, each with a minimum (Li, Owen and Zhang, "One permutation hashing", 2012), and an empty bin takes
the value of another (Shrivastava, "Optimal densification for fast and accurate minwise hashing", 2017), here of one
that may itself have been filled: ten times as fast as K hash functions (11 against 120 ns a shingle, 2026-11).

N texts, S shingles in all of them, K minima a text.
"""

import math

import numpy as np
from numpy.typing import NDArray

from danlu.data.duplicates.folded import Folded, Starts

SHINGLE = 3
"""Characters of a shingle that begins with a Chinese, Japanese or Korean one."""

LETTERS = 6
"""Characters of a shingle that begins with another one: of three letters, long English texts share most."""

FIRST_WIDE = 0x2E80
"""From here on code points are Chinese, Japanese and Korean, but for a few."""

_MISSED = 1e-3
"""Share of pairs just at the threshold that banding may miss; pairs above it are missed less."""

_MINIMA = 128
_EMPTY = np.uint64(2**64 - 1)
_BLOCK = 2**16
"""Shingles at a time: they stay in the cache."""

Hashes = NDArray[np.uint64]

FACTORS = np.random.Generator(np.random.PCG64(1997)).integers(0, 2**63, 256, np.uint64) * np.uint64(2) + np.uint64(1)
"""Fixed, so that the same texts give the same keys everywhere."""


def bands_for(similarity: float) -> tuple[int, int]:
    """Bands and rows that miss at most one in a thousand pairs of this similarity, with the longest rows."""
    for rows in range(8, 1, -1):
        bands = math.ceil(math.log(_MISSED) / math.log1p(-(min(similarity, 1 - 1e-9) ** rows)))
        if bands * rows <= _MINIMA:
            return bands, rows
    return _MINIMA // 2, 2


def hashed_shingles(texts: Folded) -> tuple[Hashes, Starts]:
    """Hashes of the shingles of all texts, (S,), and where each text's begin, and the end, (N + 1,).

    None leaves its text, but for the one at its beginning and those at the beginning of letters after Chinese, which
    are cut at its end; so every character is in one, and a full stop at the end adds one alone.
    """
    lengths = np.diff(texts.starts)
    codes, begins = texts.codes, texts.starts[:-1]
    if not lengths.all():  # an empty text is one zero, so that it has its one shingle
        codes = np.insert(codes, begins[lengths == 0], 0)
        lengths = np.maximum(lengths, 1)
        begins = np.cumsum(lengths) - lengths
    ends = begins + lengths
    hashes = np.empty(len(codes), np.uint64)
    for start in range(0, len(codes), _BLOCK):
        hashes[start : start + _BLOCK] = _hashes(codes[start : start + _BLOCK + LETTERS], ends - start)
    inside = _inside(codes >= FIRST_WIDE, begins, ends)
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(np.add.reduceat(inside, begins, dtype=np.int64) if len(begins) else begins, out=starts[1:])
    return hashes[inside], starts


def band_keys(texts: Folded, similarity: float) -> Hashes:
    """One key a band of each text: (bands, N). Texts that are alike have a key in common (see `bands_for`)."""
    bands, rows = bands_for(similarity)
    hashes, starts = hashed_shingles(texts)
    count = len(starts) - 1
    keys = np.empty((bands, count), np.uint64)
    first = 0
    while first < count:
        last = int(np.searchsorted(starts, starts[first] + _BLOCK, side="right")) - 1
        last = min(max(first + 1, last), count, first + 1024)
        part = starts[first : last + 1]
        minima = _densified(_binned(hashes[part[0] : part[-1]], part - part[0], bands * rows))
        factors = FACTORS[: bands * rows].reshape(bands, rows)
        keys[:, first:last] = mixed(np.einsum("brn,br->bn", minima.reshape(bands, rows, -1), factors))
        first = last
    return keys


def mixed(words: Hashes) -> Hashes:
    """Every bit depends on every bit: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _inside(wide: NDArray[np.bool_], begins: Starts, ends: Starts) -> NDArray[np.bool_]:
    """At which code points a shingle begins: see `hashed_shingles`."""
    inside = np.ones(len(wide), bool)
    for back in range(1, LETTERS):
        places = np.maximum(ends - back, begins)
        inside[places if back < SHINGLE else places[~wide[places]]] = False
    for back in range(1, LETTERS):
        places = ends - back
        places = places[places > begins]
        inside[places[~wide[places] & wide[places - 1]]] = True
    inside[begins] = True
    return inside


def _hashes(codes: NDArray[np.uint32], ends: Starts) -> Hashes:
    """Hashes of what begins at each of a block's code points, cut at the end of its text.

    `codes` are those of the block and the few after it; `ends` of texts count from the block's beginning.
    """
    size = min(_BLOCK, len(codes))
    wide = np.zeros(size + 2 * LETTERS, np.uint64)
    wide[: len(codes)] = codes
    # A code point has 21 bits, so three of them fit into 64 bits without loss.
    packed = wide[:-2] << np.uint64(42)
    packed |= wide[1:-1] << np.uint64(21)
    packed |= wide[2:]
    second = packed[SHINGLE : SHINGLE + size].copy()
    second[codes[:size] >= FIRST_WIDE] = 0
    first = packed[:size]
    _cut(first, second, ends)
    hashes: Hashes = first * FACTORS[0]
    second *= FACTORS[1]
    hashes += second
    hashes ^= hashes >> np.uint64(32)
    hashes *= FACTORS[2]
    hashes ^= hashes >> np.uint64(29)
    hashes *= FACTORS[3]
    return hashes


def _cut(first: Hashes, second: Hashes, ends: Starts) -> None:
    """Take from the halves of shingles what lies beyond the end of their text."""
    size = len(first)
    ends = ends[np.searchsorted(ends, 0) : np.searchsorted(ends, size + LETTERS, side="right")]
    for beyond in range(1, LETTERS):
        # The shingle that begins here has `beyond` characters after the end of the text.
        places = ends - LETTERS + beyond
        places = places[(places >= 0) & (places < size)]
        second[places] &= _without_last(beyond)
        first[places] &= _without_last(beyond - SHINGLE)


def _without_last(count: int) -> np.uint64:
    """A mask that takes the last few of three packed code points away."""
    gone = 21 * min(max(count, 0), SHINGLE)
    return np.uint64((2**63 - 1) >> gone << gone)


def _binned(hashes: Hashes, starts: Starts, minima: int) -> Hashes:
    """The least hash in each bin of each text, (K, N); all ones where a bin is empty."""
    count = len(starts) - 1
    bins = np.full(minima * count, _EMPTY, np.uint64)
    places = ((hashes >> np.uint64(32)) * np.uint64(minima) >> np.uint64(32)).astype(np.int64)
    places *= count
    places += np.repeat(np.arange(count), np.diff(starts))
    np.minimum.at(bins, places, hashes)
    return bins.reshape(minima, count)


def _densified(bins: Hashes) -> Hashes:
    """The bins with each empty one filled from another, the same one for all texts, until none is empty.

    In every round each empty bin looks at one other. The bin of a union of two texts that is filled at last holds a
    shingle of both exactly where both texts hold the same value, so the share of equal bins is the similarity.
    """
    minima, count = bins.shape
    rng = np.random.Generator(np.random.PCG64(2017))
    empty = bins == _EMPTY
    while np.count_nonzero(empty) > bins.size // 16:
        np.copyto(bins, bins[rng.permutation(minima)], where=empty)
        np.equal(bins, _EMPTY, out=empty)
    flat, left = bins.reshape(-1), np.flatnonzero(empty)
    while len(left):
        bin_of, text = np.divmod(left, count)
        values = flat[rng.permutation(minima)[bin_of] * count + text]
        flat[left] = values
        left = left[values == _EMPTY]
    return bins
