"""A chunk of records made ready: cleaned, written to disk, and known by what clusters and splits need of each row.

The chunk lies in three files of a working folder: `N.arrow` with the records, `N.npz` with arrays of one value a row,
`N.bands` with the keys of near-duplicates, one band after the other.
Memory is that of one chunk; what is known of all rows is read column by column.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.cleaning.clean import Cleaned
from danlu.data.corpus.stored import arrow_table, write_arrow
from danlu.data.corpus.survey import counted_labels
from danlu.data.duplicates.folded import Folded, folded
from danlu.data.duplicates.minhash import band_keys
from danlu.data.labels import is_fraction, key_of, label_of
from danlu.data.record import Columns, Record, asked_of, entity_labels, is_labelled, opinion_of, text_of, truth_of
from danlu.data.splitting.times import MILLISECONDS, digits_of_a_date, number_of, seconds_of
from danlu.refusal import Refusal, of_record

CHUNK = 2**22
"""Bytes of text in a chunk, about."""

_ROWS = 2**17
"""Records in a chunk at most, however short they are."""


Clean = Callable[[list[Record], bool], Cleaned]
"""Records cleaned: all cleaners over what is to be learnt from, those that rewrite over the rest."""


@dataclass(frozen=True)
class RawChunk:
    """Records as they are read.

    - `number`: of the chunk, from 0; `source`: of the source, from 0.
    - `origin`: the set that they are meant for: train, validation or test.
    - `name`: what messages call their file; `numbers`: of the records in it, from 1.
    """

    number: int
    source: int
    origin: str
    name: str
    numbers: Sequence[int]
    records: list[Record]


@dataclass(frozen=True)
class Chunk:
    """What is kept in memory of a chunk on disk: counts of the rows that have a text, and of those without.

    - `coded`: for `label` and `stratum`, the names that their codes stand for.
    - `measured`: whether labels are fractions, so that its numbers are no labels.
    - `cleaned`: what cleaning did, without the records.
    """

    number: int
    source: int
    origin: str
    name: str
    rows: int
    empty: int
    labels: Counter[str]
    entities: Counter[str]
    unlabelled: int
    measured: bool
    coded: dict[str, list[str]]
    schema: Any
    cleaned: Cleaned


@dataclass(frozen=True)
class Ingest:
    """How a piece becomes a chunk in `folder`.

    - `column`: of the text by which records are compared, or several.
    - `similarity`: of the keys for near-duplicates.
    - `stratum`, `group`, `time`: columns whose values a split looks at, if any.
    """

    folder: Path
    column: Columns
    similarity: float
    stratum: str | None = None
    group: str | None = None
    time: str | None = None
    clean: Clean | None = None

    def __call__(self, piece: RawChunk) -> Chunk:
        """Write the chunk.

        Raises:
            Refusal: a column that the split needs is missing, or a column holds several types.
        """
        measured = any(is_fraction(record.get("label")) for record in piece.records)
        records = piece.records if measured else [_named(record) for record in piece.records]
        numbered = list(zip(piece.numbers, records, strict=True))
        cleaned = Cleaned()
        if self.clean is not None:
            numbered, cleaned = _cleaned(numbered, self.clean, piece.name, filtered=piece.origin == "train")
        filled = [(number, record) for number, record in numbered if text_of(record, self.column).strip()]
        records = [record for _, record in filled]
        table = arrow_table(records, where=lambda row: f"{piece.name}: record {filled[row][0]}")
        write_arrow(self.folder / f"{piece.number}.arrow", table)
        facts, coded = self._facts(records, [number for number, _ in filled], piece)
        np.savez(self.folder / f"{piece.number}.npz", **facts)  # type: ignore[arg-type]
        return Chunk(
            number=piece.number,
            source=piece.source,
            origin=piece.origin,
            name=piece.name,
            rows=len(records),
            empty=len(numbered) - len(records),
            labels=counted_labels(records),
            entities=Counter(label for record in records for label in entity_labels(record)),
            unlabelled=sum(not is_labelled(record) for record in records),
            measured=measured,
            coded=coded,
            schema=table.schema,
            cleaned=cleaned,
        )

    def _facts(
        self, records: Sequence[Record], numbers: Sequence[int], piece: RawChunk
    ) -> tuple[dict[str, NDArray[Any]], dict[str, list[str]]]:
        """One value a row: keys of its text, length, what is asked and said, stratum, group, time, number in its file.

        Labels and strata are codes, -1 for none, whose names come with them.
        """
        texts = [text_of(record, self.column) for record in records]
        labels = [record.get("label") for record in records]
        facts: dict[str, NDArray[Any]] = {
            "number": np.asarray(numbers, np.int32),
            "characters": np.fromiter(map(len, texts), np.int32, len(texts)),
            "asked": hashed_values([asked_of(record, self.column) for record in records]),
            "truth": hashed_values([truth_of(record) for record in records]),
            "opinion": hashed_values([opinion_of(record) for record in records]),
        }
        coded = {"label": [label if isinstance(label, str) else None for label in labels]}
        if self.stratum is not None:
            coded["stratum"] = [_as_text(record.get(self.stratum)) for record in records]
        names = {}
        for name, values in coded.items():
            known: dict[str, int] = {}
            codes = (-1 if value is None else known.setdefault(value, len(known)) for value in values)
            facts[name] = np.fromiter(codes, np.int32, len(texts))
            names[name] = list(known)
        keys = keys_of(texts, self.similarity)
        bands = keys.pop("bands")
        (self.folder / f"{piece.number}.bands").write_bytes(np.ascontiguousarray(bands).data)  # tofile hides the errno
        facts |= keys
        places = [f"{piece.name}: record {number}" for number in numbers]
        if self.group is not None:
            facts["group"] = hashed_values([_same(value) for value in _column(records, places, self.group, "group")])
        if self.time is not None:
            facts |= _times(_column(records, places, self.time, "time"), places)
        return facts, names


def keys_of(texts: Sequence[str], similarity: float) -> dict[str, NDArray[np.uint64]]:
    """Keys of texts.

    - `exact`: of the text without white space at the ends, (N, 2); `folded`: of what is compared of it, (N, 2).
    - `bands`: equal in one of them at least where texts are alike, (bands, N).
    """
    from xxhash import xxh3_128_digest

    exact = b"".join([xxh3_128_digest(text.strip().encode("utf-8", "surrogatepass")) for text in texts])
    same, bands = [], []
    for part in _cached(texts):
        bare = folded(part)
        same.append(_digests(bare))
        bands.append(band_keys(bare, similarity))
    return {
        "exact": np.frombuffer(exact, np.uint64).reshape(-1, 2),
        "folded": np.concatenate(same),
        "bands": np.concatenate(bands, axis=1),
    }


def folded_keys(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Keys of what is compared of texts, (N, 2), as `keys_of` gives them."""
    return np.concatenate([_digests(folded(part)) for part in _cached(texts)])


def _digests(texts: Folded) -> NDArray[np.uint64]:
    from xxhash import xxh3_128_digest

    found = b"".join([xxh3_128_digest(texts.bytes_of(row)) for row in range(len(texts.starts) - 1)])
    return np.frombuffer(found, np.uint64).reshape(-1, 2)


def _cached(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in parts of some 2^17 characters, whose arrays stay in the cache; an empty part if there are none."""
    ends = np.cumsum([len(text) for text in texts])
    begin = 0
    while begin < len(texts) or begin == 0:
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + 2**17, side="right")))
        yield texts[begin:end]
        begin = end


def hashed_values(values: Sequence[str | None]) -> NDArray[np.uint64]:
    """A number of 64 bits for each value, 0 for none."""
    from xxhash import xxh3_64_intdigest

    known: dict[str | None, int] = {None: 0}
    for value in values:
        if value not in known:
            known[value] = xxh3_64_intdigest(str(value).encode("utf-8", "surrogatepass"))
    return np.fromiter((known[value] for value in values), np.uint64, len(values))


def raw_chunks(sources: Iterable[tuple[str, str, Iterable[Record]]], column: Columns) -> Iterator[RawChunk]:
    """Cut sources, each with the set it is meant for and its name, into chunks of about `CHUNK` bytes of text."""
    number = 0
    for source, (origin, name, records) in enumerate(sources):
        held: list[Record] = []
        size, first = 0, 1
        for record in records:
            held.append(record)
            text = text_of(record, column)
            size += len(text) if text.isascii() else 3 * len(text)
            if size >= CHUNK or len(held) >= _ROWS:
                yield RawChunk(number, source, origin, name, range(first, first + len(held)), held)
                number, first, size, held = number + 1, first + len(held), 0, []
        if held:
            yield RawChunk(number, source, origin, name, range(first, first + len(held)), held)
            number += 1


def _named(record: Record) -> Record:
    """The record with its label as a text."""
    label = record.get("label")
    name = label if type(label) is str else label_of(label)
    return record if name is None or name is label else record | {"label": name}


_PLACE = "\0place"


def _cleaned(
    numbered: list[tuple[int, Record]], clean: Clean, name: str, *, filtered: bool
) -> tuple[list[tuple[int, Record]], Cleaned]:
    """The records that cleaning leaves, each with its number in the file, and what else it did."""
    placed = [record | {_PLACE: number} for number, record in numbered]
    try:
        done = clean(placed, filtered)
    except Refusal:
        for record in placed:  # one by one, to name the record
            with of_record(name, record[_PLACE]):
                clean([record], filtered)
        raise
    left = []
    for record in done.records:
        number = int(record[_PLACE])
        left.append((number, {name: value for name, value in record.items() if name != _PLACE}))
    return left, replace(done, records=[])


def _as_text(value: Any) -> str | None:
    return None if value is None else label_of(value) or str(value)


def _same(value: Any) -> str:
    """One text for equal values: `7` and `7.0`, which a table writes where one of its numbers is lacking."""
    return key_of(label_of(value) or str(value))


def _column(records: Sequence[Record], places: Sequence[str], column: str, key: str) -> list[Any]:
    for record, place in zip(records, places, strict=True):
        if record.get(column) is None:
            raise Refusal(f"{place} has no column '{column}'; fill it in, or name another in 'split.{key}'")
    return [record[column] for record in records]


def _times(values: Sequence[Any], places: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The time of each row, what it counts as a number, NaN for none, and its digits where it is as long as a date."""
    times = np.array([_time(value, place) for value, place in zip(values, places, strict=True)], np.float64)
    counted = np.array([number_of(value, MILLISECONDS) for value in values], np.float64)  # NaN for None
    digits = np.array([digits_of_a_date(value) for value in values], np.int8)
    return {"time": times, "counted": counted, "digits": digits}


def _time(value: Any, place: str) -> float:
    """Seconds since 1970, also of milliseconds, or whatever a number counts; see `seconds_of`."""
    found = seconds_of(value, milliseconds=MILLISECONDS)
    if found is None:
        raise Refusal(
            f"{place}: '{str(value)[:40]}' is no time; write a number, or a date such as 2024-05-31, "
            "which is in UTC unless it names a zone"
        )
    return found
