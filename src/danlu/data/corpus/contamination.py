"""Training texts that hold a piece of a test text, word for word.

A long run of words that a training text shares with a test text is no chance (Brown et al., "Language Models are
Few-Shot Learners", 2020, appendix C: 13 words); in Chinese, Japanese and Korean a character is a word of its own and
the run is longer. Case, width, white space between words, and punctuation count for nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from danlu.data.characters.side_by_side import characters
from danlu.data.corpus.executor import Executor
from danlu.data.corpus.spool import Spool, Texts
from danlu.data.duplicates.folded import folded_in_place
from danlu.data.duplicates.minhash import FACTORS, FIRST_WIDE, Hashes, mixed
from danlu.data.reading.format import Format
from danlu.data.record import Columns, text_of
from danlu.recipe.part import Part
from danlu.refusal import Refusal

_FILTER_BITS = 24
_ROWS = 2**13
"""Rows that are looked through at a time."""


@dataclass(frozen=True)
class Runs:
    """How long a shared run has to be: words, or characters where it begins with a Chinese one."""

    words: int = 13
    characters: int = 20


class Forbidden:
    """The runs of test texts, to look training texts up in: 8 bytes a run, and 16 MiB."""

    def __init__(self, hashes: Hashes, runs: Runs) -> None:
        """Hashes of runs, ascending."""
        self.hashes, self.runs = hashes, runs
        # Most runs are told to be unknown by one look into a table; the others are searched for.
        self._likely = np.zeros(2**_FILTER_BITS, bool)
        self._likely[(hashes >> np.uint64(64 - _FILTER_BITS)).astype(np.int64)] = True

    def found_in(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Which texts hold a forbidden run, (N,)."""
        hashes, owner = run_hashes(texts, self.runs)
        likely = np.flatnonzero(self._likely[(hashes >> np.uint64(64 - _FILTER_BITS)).astype(np.int64)])
        places = np.searchsorted(self.hashes, hashes[likely])
        known = places < len(self.hashes)
        known[known] = self.hashes[places[known]] == hashes[likely][known]
        held = np.zeros(len(texts), bool)
        held[owner[likely[known]]] = True
        return held


@dataclass(frozen=True)
class Look:
    """Looks through the rows of a spool for the runs whose hashes lie in a file."""

    file: Path
    runs: Runs
    texts: Texts

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some rows, ascending, hold a forbidden run."""
        return _forbidden(self.file, self.runs).found_in(self.texts.of(rows))


class Decontaminate(Part):
    """Which training rows are dropped for what they share with the test and validation sets that are given."""

    against: Format | list[Format] = Field(default=[], description="more test sets, such as a benchmark's")
    words: int = Field(default=13, ge=3, le=100, description="words in a row that a text may not share with a test")
    characters: int = Field(default=20, ge=3, le=100, description="the same for Chinese, Japanese, Korean characters")

    def found_in(self, spool: Spool, tested: NDArray[np.int64], executor: Executor) -> NDArray[np.bool_]:
        """Which rows of a spool share a run with its rows `tested`, or with a text of `against`; not these, (N,).

        Raises:
            Refusal: a file of `against` cannot be read, or no test text is as long as a run.
        """
        runs, reader = Runs(self.words, self.characters), spool.reader()
        more = [self.against] if isinstance(self.against, Format) else self.against
        texts = chain(
            (reader.of(tested[start : start + _ROWS]) for start in range(0, len(tested), _ROWS)),
            *(_texts(source, spool.column) for source in more),
        )
        hashes = [np.unique(run_hashes(part, runs)[0]) for part in texts]
        known = np.unique(np.concatenate(hashes)) if hashes else np.empty(0, np.uint64)
        if not len(known):
            raise Refusal(
                f"'decontaminate' has no test text of {self.words} words or {self.characters} characters to look for; "
                "give a 'test' set or name files in 'decontaminate.against', or lower 'words' and 'characters'"
            )
        file = spool.folder / "forbidden.npy"
        np.save(file, known)
        rows = np.setdiff1d(np.arange(spool.rows), tested, assume_unique=True)
        parts = [rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)]
        found = np.zeros(spool.rows, bool)
        found[rows] = np.concatenate(list(executor.map(Look(file, runs, reader), parts)))
        return found


@lru_cache(1)
def _forbidden(file: Path, runs: Runs) -> Forbidden:
    return Forbidden(np.load(file, allow_pickle=False), runs)


def _texts(source: Format, column: Columns) -> Iterator[list[str]]:
    records = source.read()
    while part := [text_of(record, column) for record in islice(records, _ROWS)]:
        yield part


def run_hashes(texts: Sequence[str], runs: Runs) -> tuple[Hashes, NDArray[np.int64]]:
    """Hashes of the runs of all texts, and the text that each is of; shorter texts have none."""
    words, wide, owner = _words(texts)
    found, owners = [], []
    for length, these in ((runs.words, ~wide), (runs.characters, wide)):
        places = np.flatnonzero(these[: max(0, len(words) - length + 1)])
        places = places[owner[places] == owner[places + length - 1]]
        summed = np.zeros(len(places), np.uint64)
        for step in range(length):
            summed += words[places + step] * FACTORS[step]
        found.append(mixed(summed))
        owners.append(owner[places])
    return np.concatenate(found), np.concatenate(owners)


def _words(texts: Sequence[str]) -> tuple[Hashes, NDArray[np.bool_], NDArray[np.int64]]:
    """Hashes of the words and wide characters of all texts, whether each is wide, and the text that it is of."""
    given = characters(texts)
    starts = given.first
    codes, letter = folded_in_place(given.codes)
    wide = letter & (codes >= FIRST_WIDE)
    narrow = letter & ~wide
    begins = narrow.copy()
    begins[1:] &= ~narrow[:-1]
    begins |= narrow & given.begins()
    begins |= wide
    first = np.flatnonzero(begins)
    if not len(first):
        return np.empty(0, np.uint64), np.empty(0, bool), np.empty(0, np.int64)
    # A word's hash is the sum of its letters', each with its place; what is no letter adds nothing.
    place = np.arange(len(codes)) - first[np.maximum(np.cumsum(begins) - 1, 0)]
    hashes = mixed(codes.astype(np.uint64) << np.uint64(32) | place.astype(np.uint64) & np.uint64(0xFFFFFFFF))
    hashes[~letter] = 0
    owner = np.searchsorted(starts, first, side="right") - 1
    return np.add.reduceat(hashes, first), wide[first], owner
