"""Many texts as one array of characters, for what is counted in all of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Characters:
    """N texts of M characters in all.

    - `codes`: (M,), the code points of the texts, one text after the other.
    - `borders`: (N + 1,), where each text begins, and the end.
    """

    codes: Codes
    borders: Places

    @property
    def lengths(self) -> Places:
        """Characters of each text, (N,)."""
        return np.diff(self.borders)

    def owners(self) -> Places:
        """The text of each character, (M,)."""
        return np.repeat(np.arange(len(self.borders) - 1), self.lengths)

    def sums(self, values: NDArray[np.generic]) -> NDArray[np.float64]:
        """The sum over each text of one value a character, (M,) to (N,)."""
        running = np.concatenate([[0], np.cumsum(values, dtype=np.float64)])
        found: NDArray[np.float64] = running[self.borders[1:]] - running[self.borders[:-1]]
        return found


def characters_of(texts: Sequence[str]) -> Characters:
    """The texts as one array; halves of surrogate pairs stay as they are."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    return Characters(codes, np.concatenate([[0], np.cumsum(lengths)]))


def hashed_pieces(codes: NDArray[np.generic], length: int) -> NDArray[np.uint64]:
    """A hash of the `length` characters from each place on, (M,) to (M - length + 1,).

    Polynomial (Karp and Rabin, 1987) modulo 2**64, in about log2(length) multiplications a place, and mixed at the
    end (splitmix64: Steele, Lea and Flood, 2014).
    """
    if len(codes) < length:
        return np.zeros(0, np.uint64)
    power = np.asarray(codes, np.uint64) + np.uint64(1)  # hashes of pieces of 1, 2, 4, ... characters
    factor = 0x9E3779B97F4A7C15
    found: NDArray[np.uint64] | None = None
    size, done = 1, 0
    while True:
        if length & size:
            found = power.copy() if found is None else found[: len(power) - done] * _power(factor, size) + power[done:]
            done += size
        if size * 2 > length:
            break
        power = power[:-size] * _power(factor, size) + power[size:]
        size *= 2
    assert found is not None
    found = found[: len(codes) - length + 1]
    found ^= found >> np.uint64(30)
    found *= np.uint64(0xBF58476D1CE4E5B9)
    found ^= found >> np.uint64(27)
    return found


def _power(factor: int, exponent: int) -> np.uint64:
    return np.uint64(pow(factor, exponent, 2**64))
