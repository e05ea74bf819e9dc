"""Texts that repeat themselves or are mostly signs (after Gopher: Rae et al., 2021, table A1)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from danlu.data.characters.scripts import OTHER, PUNCTUATION, SPACE, SYMBOL, kinds_of
from danlu.data.characters.side_by_side import Characters, blocks, characters, hashed_pieces
from danlu.data.cleaning.cleaner import Filter

_PIECE = 16
"""Characters: 4 English words, or a Chinese clause."""

_BLOCK = 100_000  # characters: what is computed of them stays in the cache of a core


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
        return [reason for block in blocks(texts, len, _BLOCK) for reason in self._reasons(block)]

    def _reasons(self, texts: Sequence[str]) -> list[str | None]:
        given = characters(texts)
        found = np.full(len(texts), "", dtype=object)
        for reason, too_much in (
            ("repeated lines", self._lines(texts)),
            ("one character repeated", _longest_runs(given) > self.run),
            ("repeated pieces", _share_of_repeated_pieces(given) > self.pieces),
            ("mostly signs", _share_of_signs(given) > self.signs),
        ):
            found[too_much & (found == "")] = reason
        found[given.lengths < self.minimum] = ""
        return [reason or None for reason in found.tolist()]

    def _lines(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        return np.array([text.count("\n") > 1 and _share_of_repeated_lines(text) > self.lines for text in texts], bool)


def _share_of_repeated_lines(text: str) -> float:
    lines = [bare for line in text.splitlines() if (bare := line.strip())]
    distinct = set(lines)
    if len(distinct) == len(lines):
        return 0.0
    return 1 - sum(map(len, distinct)) / sum(map(len, lines))


def _share_of_repeated_pieces(given: Characters) -> NDArray[np.float64]:
    """Of the pieces of each text, the share that stood in it before, (N,)."""
    counts = np.maximum(given.lengths - _PIECE + 1, 0)
    hashes = hashed_pieces(given.codes, _PIECE)
    owners = given.owners()[: len(hashes)]
    inside = np.arange(len(hashes)) + _PIECE <= given.first[owners + 1]
    keys = (owners[inside].astype(np.uint64) << np.uint64(40)) | (hashes[inside] >> np.uint64(24))
    keys.sort()
    repeated = keys[1:][keys[1:] == keys[:-1]] >> np.uint64(40)
    return np.bincount(repeated.astype(np.int64), minlength=len(counts)) / np.maximum(counts, 1)


def _longest_runs(given: Characters) -> NDArray[np.int64]:
    """The longest stretch of one character in each text, white space aside, (N,)."""
    codes, longest = given.codes, np.zeros(len(given.lengths), np.int64)
    begins = given.begins()
    begins[1:] |= codes[1:] != codes[:-1]
    firsts = np.flatnonzero(begins)
    lengths = np.diff(np.append(firsts, len(codes)))
    lengths[kinds_of(codes[firsts]) == SPACE] = 0
    long = np.flatnonzero(lengths > 1)
    np.maximum.at(longest, np.searchsorted(given.first, firsts[long], "right") - 1, lengths[long])
    return longest


def _share_of_signs(given: Characters) -> NDArray[np.float64]:
    """Of the characters of each text that are no white space, the share that are neither letter nor digit, (N,)."""
    kinds = kinds_of(given.codes)
    signs = (kinds == PUNCTUATION) | (kinds == SYMBOL) | (kinds == OTHER)
    return given.sums(signs) / np.maximum(given.sums(kinds != SPACE), 1)
