"""Many texts as one row of code points, for what is looked at in all of them at once. N characters of all texts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]
Bools = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Item = TypeVar("Item")


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

    @property
    def lengths(self) -> Numbers:
        """Characters of each text, (texts,)."""
        return np.diff(self.first)

    def begins(self) -> Bools:
        """Where a text begins, (N,)."""
        found = np.zeros(len(self.codes), np.bool_)
        found[self.first[:-1][self.first[:-1] < len(self.codes)]] = True
        return found

    def owners(self) -> Numbers:
        """The text of each character, (N,)."""
        return np.repeat(np.arange(len(self.first) - 1), self.lengths)

    def sums(self, values: NDArray[np.generic]) -> NDArray[np.float64]:
        """The sum over each text of one value a character, (N,) to (texts,)."""
        running = np.concatenate([[0], np.cumsum(values, dtype=np.float64)])
        found: NDArray[np.float64] = running[self.first[1:]] - running[self.first[:-1]]
        return found


def characters(texts: Sequence[str]) -> Characters:
    """Lay texts side by side; lone surrogates stay what they are."""
    whole = "".join(texts)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    return Characters(whole, code_points(whole), np.concatenate([[0], np.cumsum(lengths)]))


def code_points(text: str) -> Codes:
    """The characters of a text as numbers, (N,); lone surrogates keep theirs."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def hashed_pieces(codes: NDArray[np.generic], length: int) -> NDArray[np.uint64]:
    """A hash of the `length` characters from each place on, (N,) to (N - length + 1,).

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


def ranges(codes: Sequence[int]) -> str:
    """Ascending code points as the inside of a regular expression's brackets."""
    found: list[list[int]] = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in found)


def blocks(items: Iterable[Item], size: Callable[[Item], int], most: int, count: int = 2**62) -> Iterator[list[Item]]:
    """Items some at a time: a block ends with the item that brings it to a size of `most`, or to `count` items."""
    block: list[Item] = []
    filled = 0
    for item in items:
        block.append(item)
        filled += size(item)
        if filled >= most or len(block) >= count:
            yield block
            block, filled = [], 0
    if block:
        yield block
