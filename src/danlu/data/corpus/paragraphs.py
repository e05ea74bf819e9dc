"""Paragraphs that stand in many texts, such as notices and menus of web pages: found and dropped, out of core.

Raffel et al. ("Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", 2020) drop all but
one of what repeats; so is it done here, where a paragraph is a line.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from danlu.data.cleaning.clean import Cleaned
from danlu.data.corpus.dropped import PARAGRAPHS
from danlu.data.corpus.executor import Executor
from danlu.data.corpus.ingest import Chunk, Ingest, RawChunk
from danlu.data.corpus.stored import read_arrow, stored_records
from danlu.data.record import Record
from danlu.recipe.part import Part

_TOGETHER = 2**22
"""Paragraphs that are counted at a time: 24 bytes each."""

_MARKED = ("entities", "answers", "head", "tail")
"""Columns that count characters of the text; such a text stays as it is."""


class RepeatedParagraphs(Part):
    """Which paragraphs are dropped from all texts but the first that holds them."""

    rows: int = Field(default=1, ge=1, description="rows that a paragraph may stand in")
    characters: int = Field(default=20, ge=1, description="shorter paragraphs, such as 'yes', stay")


@dataclass(frozen=True)
class Find:
    """Write the hashes of a chunk's paragraphs, each once a row, beside it; gives how many there are."""

    folder: Path
    column: str
    characters: int

    def __call__(self, chunk: tuple[int, int]) -> int:
        """Look through a chunk; `chunk` is its number and the number of its first row."""
        number, start = chunk
        found = {
            (start + row, key)
            for row, record in enumerate(stored_records(read_arrow(self.folder / f"{number}.arrow")))
            for key, _ in _paragraphs(record, self.column, self.characters)
            if key is not None
        }
        ordered = sorted(found)
        np.savez(
            self.folder / f"{number}.paragraphs.npz",
            rows=np.fromiter((row for row, _ in ordered), np.int64, len(ordered)),
            keys=np.fromiter((key for _, key in ordered), np.uint64, len(ordered)),
        )
        return len(ordered)


def repeated(folder: Path, numbers: Iterable[int], total: int, rows: int) -> tuple[NDArray[np.uint64], NDArray[Any]]:
    """Hashes of the paragraphs that stand in more than `rows` rows, ascending, and the first row of each."""
    numbers = list(numbers)
    parts = max(1, -(-total // _TOGETHER))
    keys, firsts = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for part in range(parts):
        of_part, rows_of_part = [], []
        for number in numbers:
            with np.load(folder / f"{number}.paragraphs.npz", allow_pickle=False) as file:
                chosen = file["keys"] % np.uint64(parts) == part
                of_part.append(file["keys"][chosen])
                rows_of_part.append(file["rows"][chosen])
        found, first, counts = np.unique(np.concatenate(of_part), return_index=True, return_counts=True)
        keys.append(found[counts > rows])
        firsts.append(np.concatenate(rows_of_part)[first[counts > rows]])
    all_keys, all_firsts = np.concatenate(keys), np.concatenate(firsts)
    order = np.argsort(all_keys)
    return all_keys[order], all_firsts[order]


@dataclass(frozen=True)
class Drop:
    """Writes a chunk anew without the paragraphs whose hashes and first rows lie in a file."""

    file: Path
    ingest: Ingest
    column: str
    characters: int

    def __call__(self, part: tuple[Chunk, int]) -> Chunk:
        """The chunk as it then is; `part` is the one before, and the number of its first row."""
        chunk, start = part
        known = _repeated(self.file)
        folder, column = self.ingest.folder, self.column
        records = stored_records(read_arrow(folder / f"{chunk.number}.arrow"))
        with np.load(folder / f"{chunk.number}.npz", allow_pickle=False) as facts:
            numbers = facts["number"].tolist()
        dropped: list[str] = []
        for place, record in enumerate(records):
            lines = _paragraphs(record, column, self.characters)
            gone = [key is not None and known.get(key, start + place) != start + place for key, _ in lines]
            if any(gone):
                dropped += [line for (_, line), drop in zip(lines, gone, strict=True) if drop]
                kept = "\n".join(line for (_, line), drop in zip(lines, gone, strict=True) if not drop)
                records[place] = record | {column: kept}
        piece = RawChunk(chunk.number, chunk.source, chunk.origin, chunk.name, numbers, records)
        new = replace(self.ingest, clean=None)(piece)
        cleaned = Cleaned()
        cleaned.count(chunk.cleaned)
        if dropped:
            cleaned.count(Cleaned(dropped=Counter({PARAGRAPHS: len(dropped)}), samples={PARAGRAPHS: dropped}))
        return replace(new, empty=new.empty + chunk.empty, cleaned=cleaned)


def without_repeated_paragraphs(
    chunks: Sequence[Chunk], ingest: Ingest, column: str, repeats: RepeatedParagraphs, executor: Executor
) -> list[Chunk]:
    """The chunks, written anew without the paragraphs of training rows that repeat too often."""
    starts = np.cumsum([0, *(chunk.rows for chunk in chunks)]).tolist()
    parts = list(zip(chunks, starts, strict=False))
    train = [(chunk.number, start) for chunk, start in parts if chunk.origin == "train"]
    find = Find(ingest.folder, column, repeats.characters)
    total = sum(executor.map(find, train))
    keys, firsts = repeated(ingest.folder, [number for number, _ in train], total, repeats.rows)
    if not len(keys):
        return list(chunks)
    file = ingest.folder / "repeated.npz"
    np.savez(file, keys=keys, firsts=firsts)
    drop = Drop(file, ingest, column, repeats.characters)
    trained = (part for part in parts if part[0].origin == "train")
    written = {chunk.number: chunk for chunk in executor.map(drop, trained)}
    return [written.get(chunk.number, chunk) for chunk in chunks]


@lru_cache(1)
def _repeated(file: Path) -> dict[int, int]:
    with np.load(file, allow_pickle=False) as known:
        return dict(zip(known["keys"].tolist(), known["firsts"].tolist(), strict=True))


def _paragraphs(record: Record, column: str, characters: int) -> list[tuple[int | None, str]]:
    """The lines of its text, each with the hash of a long one; nothing where characters of the text are marked."""
    from xxhash import xxh3_64_intdigest

    text = record.get(column)
    if not isinstance(text, str) or "\n" not in text or any(name in record for name in _MARKED):
        return []
    told = [(line.strip(), line) for line in text.split("\n")]
    return [
        (xxh3_64_intdigest(bare.encode("utf-8", "surrogatepass")) if len(bare) >= characters else None, line)
        for bare, line in told
    ]
