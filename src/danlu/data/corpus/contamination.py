"""Training texts that hold a piece of a test text, word for word.

A long run of words that a training text shares with a test text is no chance (Brown et al., "Language Models are
Few-Shot Learners", 2020, appendix C: 13 words); in Chinese, Japanese and Korean a character is a word of its own and
the run is longer. Case, width, white space between words, and punctuation count for nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from danlu.data.corpus.executor import Executor
from danlu.data.corpus.ingest import Clean
from danlu.data.corpus.spool import Spool, Texts
from danlu.data.duplicates.folded import composed_characters, folded_in_place
from danlu.data.duplicates.minhash import FACTORS, FIRST_WIDE, Hashes, mixed
from danlu.data.reading.format import Format
from danlu.data.record import Columns, Record, text_of
from danlu.recipe.part import Part, nearest
from danlu.refusal import Refusal, without_secrets

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

    def found_in(
        self, spool: Spool, tested: NDArray[np.int64], executor: Executor, clean: Clean | None = None
    ) -> NDArray[np.bool_]:
        """Which rows of a spool share a run with its rows `tested`, or with a text of `against`; not these, (N,).

        `clean` rewrites the texts of `against` as those of the spool were.

        Raises:
            Refusal: a file of `against` cannot be read, has no such texts, or none that is as long as a run; or no
                test text is.
        """
        runs, reader = Runs(self.words, self.characters), spool.reader()
        more = [self.against] if isinstance(self.against, Format) else self.against
        texts = (reader.of(tested[start : start + _ROWS]) for start in range(0, len(tested), _ROWS))
        hashes = [np.unique(run_hashes(part, runs)[0]) for part in texts]
        for source in more:
            own = [np.unique(run_hashes(part, runs)[0]) for part in _texts(source, spool.column, clean)]
            if not any(map(len, own)):
                raise Refusal(
                    f"'decontaminate.against': no text of {without_secrets(source.path)} has {self.words} words or "
                    f"{self.characters} characters to look for; lower 'words' and 'characters', or leave it out"
                )
            hashes += own
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


def _texts(source: Format, column: Columns, clean: Clean | None) -> Iterator[list[str]]:
    records, name = source.read(), without_secrets(source.path)
    filtered = False  # they are rewritten, and none is dropped
    while part := [_compared(record, column, name) for record in islice(records, _ROWS)]:
        yield [text_of(record, column) for record in (clean(part, filtered).records if clean else part)]


def _compared(record: Record, column: Columns, name: str) -> Record:
    """What is compared of a record, which may be of another form than what it is held against."""
    columns = (column,) if isinstance(column, str) else column
    if found := {each: record[each] for each in (*columns, "tokens", "words") if each in record}:
        return found
    for other in ("text", "messages"):
        if other in record:
            text = text_of(record, other)
            return {columns[0]: [{"role": "user", "content": text}] if columns[0] == "messages" else text}
    raise Refusal(
        f"'decontaminate.against': {name} has no column '{columns[0]}'{nearest(columns[0], list(record))}; the columns "
        f"are: {', '.join(record) or 'none'}; write 'columns: {{{columns[0]}: NAME}}' there with the one that is meant"
    )


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
    given = composed_characters(texts)
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
