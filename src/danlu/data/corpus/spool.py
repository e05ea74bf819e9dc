"""Chunks on disk as one table of N rows: columns read whole, texts by row, clusters found out of core.

Memory is some 24 bytes a row, for what clusters and splits hold of each, and that of a few chunks.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.corpus.executor import Executor
from danlu.data.corpus.ingest import Chunk
from danlu.data.corpus.stored import read_arrow, stored_records
from danlu.data.corpus.survey import Said
from danlu.data.duplicates.alike import Forest, Pairs, join_alike, join_equal, similarities
from danlu.data.duplicates.dedup import Clusters
from danlu.data.duplicates.minhash import Hashes, bands_for
from danlu.data.labels import Spellings, spellings
from danlu.data.record import Columns, text_of
from danlu.refusal import Refusal

_TOGETHER = 2**22
"""Rows whose keys are sorted at a time: 24 bytes each."""

_PAIRS = 2**13
"""Pairs that are compared in one call: some MB of text."""


class Spool:
    """Chunks in a folder, in the order of their numbers."""

    def __init__(self, folder: Path, chunks: Sequence[Chunk], column: Columns) -> None:
        self.folder, self.chunks, self.column = folder, chunks, column
        self.starts = np.cumsum([0, *(chunk.rows for chunk in chunks)])
        self.rows = int(self.starts[-1])

    def values(self, name: str) -> NDArray[Any]:
        """One value of each row, (N,) or (N, 2); see `Ingest`."""
        found = [self.of(chunk, name) for chunk in self.chunks]
        return np.concatenate(found)

    def of(self, chunk: Chunk, name: str) -> NDArray[Any]:
        """One value of each row of a chunk."""
        with np.load(self.folder / f"{chunk.number}.npz", allow_pickle=False) as file:
            found: NDArray[Any] = file[name]
            return found

    def band(self, chunk: Chunk, number: int) -> Hashes:
        """The keys of near-duplicates of the rows of a chunk, in one band."""
        place = number * chunk.rows * 8  # bytes
        return np.fromfile(self.folder / f"{chunk.number}.bands", np.uint64, chunk.rows, offset=place)

    def coded(self, name: str, spelled: Callable[[str], str] = str) -> tuple[NDArray[np.int32], list[str]]:
        """Each row's `label` or `stratum`, as it is spelled, as a position in the names, -1 for none, (N,).

        No row has a label where the numbers are to be measured.
        """
        if name == "label" and self.measured:
            return np.full(self.rows, -1, np.int32), []
        names: dict[str, int] = {}
        found = []
        for chunk in self.chunks:
            renamed = [names.setdefault(spelled(value), len(names)) for value in chunk.coded[name]]
            found.append(np.array([*renamed, -1], np.int32)[self.of(chunk, name)])
        return np.concatenate(found), list(names)

    def spellings(self) -> Spellings:
        """Which labels of all rows are one; nothing where the numbers are to be measured."""
        return spellings(self.labels())

    def labels(self) -> Counter[str]:
        """Rows by label as it is written; none where the numbers are to be measured."""
        found: Counter[str] = Counter()
        for chunk in self.chunks if not self.measured else ():
            found += chunk.labels
        return found

    @property
    def measured(self) -> bool:
        """Whether the column `label` holds fractions anywhere, so that its numbers are no labels."""
        return any(chunk.measured for chunk in self.chunks)

    def said(self, codes: NDArray[np.int32]) -> Said:
        """What each row says of its text, its label being one of `codes`, -1 for none, (N,)."""
        named, labels = codes >= 0, codes.astype(np.uint64) + np.uint64(1)
        opinions = np.zeros(self.rows, np.uint64) if self.measured else self.values("opinion")
        truths = np.where(named, labels, self.values("truth"))
        return Said(truths, np.where(named, labels, opinions), self.values("asked"))

    def of_chunk(self, values: NDArray[Any]) -> Iterator[tuple[Chunk, NDArray[Any]]]:
        """Each chunk with its part of a column of N rows."""
        for chunk, start in zip(self.chunks, self.starts, strict=False):
            yield chunk, values[start : start + chunk.rows]

    def times(self, column: str) -> NDArray[np.float64]:
        """Each row's point in time, (N,); the plain numbers where some are as long as a date and are none.

        Raises:
            Refusal: others are dates, and not numbers of the same length.
        """
        times: NDArray[np.float64] = self.values("time")
        counted, digits = self.values("counted"), self.values("digits")
        no_dates = (digits > 0) & (times == counted)
        dates = (times != counted) & (digits != digits[no_dates].max(initial=0))
        if not no_dates.any():
            return times
        if not dates.any():
            return np.asarray(counted, np.float64)
        number, date = (self.where(int(np.argmax(marks))) for marks in (no_dates, dates))
        raise Refusal(
            f"{number}: the number in '{column}' is as long as a date and is none, and {date} has a date there, so "
            "'split.time' cannot order them; mend it, or write all as numbers, or all as dates such as 2024-05-31"
        )

    def origins(self, origin: str) -> NDArray[np.bool_]:
        """Which rows were read for a set, (N,)."""
        return np.repeat([chunk.origin == origin for chunk in self.chunks], [chunk.rows for chunk in self.chunks])

    def sources(self) -> NDArray[np.int64]:
        """The number of each row's source, (N,)."""
        return np.repeat([chunk.source for chunk in self.chunks], [chunk.rows for chunk in self.chunks])

    def where(self, row: int) -> str:
        """The file of a row and the number of its record in it."""
        place = int(np.searchsorted(self.starts, row, side="right")) - 1
        chunk = self.chunks[place]
        return f"{chunk.name}: record {self.of(chunk, 'number')[row - self.starts[place]]}"

    def reader(self) -> "Texts":
        """What reads texts of rows, also in another process."""
        return Texts(self.folder, [chunk.number for chunk in self.chunks], self.starts, self.column)


@dataclass(frozen=True)
class Texts:
    """Texts of rows of a spool, and how alike they are."""

    folder: Path
    numbers: list[int]
    starts: NDArray[np.int64]
    column: Columns

    def of(self, rows: NDArray[np.int64]) -> list[str]:
        """The texts of rows, ascending, each once."""
        texts: list[str] = []
        owners = np.searchsorted(self.starts, rows, side="right") - 1
        for owner in np.unique(owners).tolist():
            table = read_arrow(self.folder / f"{self.numbers[owner]}.arrow")
            columns = self.column if isinstance(self.column, tuple) else (self.column,)
            names = [name for name in (*columns, "words", "tokens") if name in table.column_names]
            taken = table.select(names).take(rows[owners == owner] - self.starts[owner])
            texts += [text_of(record, self.column) for record in stored_records(taken)]
        return texts

    def __call__(self, pairs: Pairs) -> NDArray[np.float64]:
        """The Jaccard similarity of pairs of rows, (P,)."""
        rows, places = np.unique(pairs, return_inverse=True)
        return similarities(self.of(rows), places.reshape(pairs.shape))


def spooled_clusters(spool: Spool, similarity: float, executor: Executor) -> Clusters:
    """Which rows have equal texts, and which are alike.

    The same as `danlu.data.duplicates.dedup.find_clusters` finds in memory.
    """
    forest = Forest(np.arange(spool.rows, dtype=np.int32 if spool.rows < 2**31 else np.int64))
    for keys, rows in _parted(spool, partial(spool.of, name="exact")):
        join_equal(forest, keys, rows)
    exact = forest.clusters().copy()
    for keys, rows in _parted(spool, partial(spool.of, name="folded")):
        join_equal(forest, keys, rows)
    firsts = forest.clusters() == np.arange(spool.rows)
    reader = spool.reader()

    def verify(pairs: Pairs) -> NDArray[np.float64]:
        parts = [pairs[start : start + _PAIRS] for start in range(0, len(pairs), _PAIRS)]
        return np.concatenate(list(executor.map(reader, parts)))

    bands, _ = bands_for(similarity)
    keyed = (part for band in range(bands) for part in _parted(spool, partial(spool.band, number=band), firsts))
    uncompared = join_alike(forest, keyed, similarity, verify, firsts=firsts)
    return Clusters(exact, forest.clusters(), uncompared)


def _parted(
    spool: Spool, keys_of: Callable[[Chunk], Hashes], wanted: NDArray[np.bool_] | None = None
) -> Iterator[tuple[Hashes, NDArray[np.int64]]]:
    """Keys and rows, ascending, in parts such that equal keys are in one."""
    parts = -(-spool.rows // _TOGETHER)
    for part in range(parts):
        keys, rows = [], []
        for chunk, start in zip(spool.chunks, spool.starts.tolist(), strict=False):
            found = keys_of(chunk)
            leading = found if found.ndim == 1 else found[:, 0]
            chosen = np.ones(len(found), bool) if wanted is None else wanted[start : start + chunk.rows]
            if parts > 1:
                chosen = chosen & (leading % np.uint64(parts) == part)
            places = np.flatnonzero(chosen)
            keys.append(found[places])
            rows.append(places + start)
        yield np.concatenate(keys), np.concatenate(rows)
