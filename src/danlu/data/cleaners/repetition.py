"""Texts that repeat themselves or are mostly signs (after Gopher: Rae et al., 2021, table A1)."""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from danlu.data.characters import Characters, characters_of, hashed_pieces
from danlu.data.cleaner import Filter

_PIECE = 16
"""Characters: 4 English words, or a Chinese clause."""


class Repetition(Filter):
    """Drops texts with too many repeated lines or pieces of 16 characters, a long run of one character, or signs.

    Shorter texts than `minimum` characters stay. Of 19,484 paragraphs of the People's Daily, the defaults drop few;
    the figures are in the documentation.
    """

    lines: float = Field(default=0.3, ge=0, le=1, description="share of the characters in lines that stood before")
    pieces: float = Field(default=0.4, ge=0, le=1, description="share of the pieces of 16 characters that stood before")
    run: int = Field(default=50, ge=2, description="characters that are the same, in a row; white space aside")
    signs: float = Field(default=0.5, ge=0, le=1, description="share of characters that are neither letter nor digit")
    minimum: int = Field(default=20, ge=1, description="characters from which a text is judged")

    def reasons(self, texts: Sequence[str]) -> list[str | None]:
        """The first that is too much, or None; see `Filter`."""
        return [reason for block in _blocks(texts) for reason in self._reasons(block)]

    def _reasons(self, texts: Sequence[str]) -> list[str | None]:
        characters = characters_of(texts)
        found = np.full(len(texts), "", dtype=object)
        for reason, too_much in (
            ("repeated lines", self._lines(texts)),
            ("one character repeated", _longest_runs(characters) > self.run),
            ("repeated pieces", _share_of_repeated_pieces(characters) > self.pieces),
            ("mostly signs", _share_of_signs(characters) > self.signs),
        ):
            found[too_much & (found == "")] = reason
        found[characters.lengths < self.minimum] = ""
        return [reason or None for reason in found.tolist()]

    def _lines(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        return np.array([text.count("\n") > 1 and _share_of_repeated_lines(text) > self.lines for text in texts], bool)


def _blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts, some 100,000 characters at a time: what is computed of them stays in the cache of a core."""
    start = size = 0
    for row, text in enumerate(texts):
        size += len(text)
        if size > 100_000:
            yield texts[start : row + 1]
            start, size = row + 1, 0
    if start < len(texts):
        yield texts[start:]


def _share_of_repeated_lines(text: str) -> float:
    lines = [bare for line in text.splitlines() if (bare := line.strip())]
    distinct = set(lines)
    if len(distinct) == len(lines):
        return 0.0
    return 1 - sum(map(len, distinct)) / sum(map(len, lines))


def _share_of_repeated_pieces(characters: Characters) -> NDArray[np.float64]:
    """Of the pieces of each text, the share that stood in it before, (N,)."""
    counts = np.maximum(characters.lengths - _PIECE + 1, 0)
    hashes = hashed_pieces(characters.codes, _PIECE)
    owners = characters.owners()[: len(hashes)]
    inside = np.arange(len(hashes)) + _PIECE <= characters.borders[owners + 1]
    keys = (owners[inside].astype(np.uint64) << np.uint64(40)) | (hashes[inside] >> np.uint64(24))
    keys.sort()
    repeated = keys[1:][keys[1:] == keys[:-1]] >> np.uint64(40)
    return np.bincount(repeated.astype(np.int64), minlength=len(counts)) / np.maximum(counts, 1)


def _longest_runs(characters: Characters) -> NDArray[np.int64]:
    """The longest stretch of one character in each text, white space aside, (N,)."""
    codes, longest = characters.codes, np.zeros(len(characters.lengths), np.int64)
    begins = np.ones(len(codes), bool)
    begins[1:] = codes[1:] != codes[:-1]
    begins[characters.borders[:-1][characters.lengths > 0]] = True
    firsts = np.flatnonzero(begins)
    lengths = np.diff(np.append(firsts, len(codes)))
    lengths[_classes()[np.minimum(codes[firsts], 0x1FFFF)] == _SPACE] = 0
    long = np.flatnonzero(lengths > 1)
    np.maximum.at(longest, np.searchsorted(characters.borders, firsts[long], "right") - 1, lengths[long])
    return longest


def _share_of_signs(characters: Characters) -> NDArray[np.float64]:
    """Of the characters of each text that are no white space, the share that are neither letter nor digit, (N,)."""
    classes = _classes()[np.minimum(characters.codes, 0x1FFFF)]
    return characters.sums(classes == _SIGN) / np.maximum(characters.sums(classes != _SPACE), 1)


_LETTER, _SPACE, _SIGN = 0, 1, 2


@cache
def _classes() -> NDArray[np.uint8]:
    """Letter or digit, white space, or sign, by code point; Chinese from the planes beyond is a letter."""
    characters = map(chr, range(0x1FFFF))
    kinds = [_LETTER if sign.isalnum() else _SPACE if sign.isspace() else _SIGN for sign in characters]
    return np.array([*kinds, _LETTER], np.uint8)
