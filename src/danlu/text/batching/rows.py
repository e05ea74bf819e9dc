"""Encoded examples in Arrow files, read by mapping them into memory (Apache Arrow IPC format)."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from danlu.data.reading.arrow_rows import arrow_refused
from danlu.refusal import Refusal
from danlu.text.batching.encoded import Encoded, Ids
from danlu.text.batching.shards import Manifest, Shard, shard_of
from danlu.text.batching.stored_rows import StoredRows

SHARD = 1 << 26  # tokens: 256 MB of numbers

_NUMBERS = ("record", "start", "cut", "widened")
_LISTS = ("input_ids", "segments", "offsets", "label_row")
_SCHEMA = pa.schema(
    [(name, pa.int64()) for name in _NUMBERS]
    + [(name, pa.list_(pa.int32())) for name in _LISTS]
    + [("label", pa.int64()), ("label_value", pa.float64())]
)


def write_rows(folder: Path, chunks: Iterable[Sequence[Encoded]], *, shard: int = SHARD) -> list[Shard]:
    """Write rows as they come into files of about `shard` tokens; no more than a chunk is held.

    Raises:
        Refusal: labels of a sort that has no place in a column.
    """
    written: list[Shard] = []
    waiting = iter(chunks)
    left = True
    while left:
        name = f"rows-{len(written):05}.arrow"
        count = tokens = 0
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_file(file, _SCHEMA) as writer:
            while tokens < shard and (left := (chunk := next(waiting, None)) is not None):
                if chunk:
                    writer.write_batch(_batch(chunk))
                    count += len(chunk)
                    tokens += sum(map(len, chunk))
        if count:
            written.append(shard_of(folder, [name], count, tokens))
        else:
            (folder / name).unlink()
    return written


class Rows(StoredRows):
    """Rows on disk, in the order in which they were written; a row is read when it is asked for.

    - `lengths`: tokens of each, (N,).
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Map the files of a manifest that was checked."""
        self._blocks: list[_Block] = []
        for shard in manifest.shards:
            with arrow_refused(str(folder / shard.file), "Arrow"):
                reader = pa.ipc.open_file(pa.memory_map(str(folder / shard.file)))
                self._blocks += [_checked(reader, number) for number in range(reader.num_record_batches)]
        self._starts = [0, *accumulate(block.count for block in self._blocks)]
        self.lengths = np.concatenate([np.diff(block.lists["input_ids"].ends) for block in self._blocks])

    def read(self, number: int) -> Encoded:
        """One row; see `StoredRows.read`."""
        at = bisect_right(self._starts, number) - 1
        return self._blocks[at].row(number - self._starts[at])


def _checked(reader: Any, number: int) -> "_Block":
    """A batch whose offsets stay within it: hashes show damage, not what a file was made with."""
    batch = reader.get_batch(number)
    batch.validate(full=True)
    if not batch.schema.equals(_SCHEMA):
        raise pa.ArrowInvalid("its columns are not those of encoded rows")
    return _Block.of(batch)


@dataclass(slots=True)
class _List:
    """A column of lists: (N + 1,) where each begins and ends among the values; whether any is absent."""

    ends: NDArray[np.int32]
    values: Ids
    there: NDArray[np.bool_] | None

    def row(self, number: int) -> Ids | None:
        if self.there is not None and not self.there[number]:
            return None
        return self.values[self.ends[number] : self.ends[number + 1]]


@dataclass(slots=True)
class _Block:
    """One record batch as arrays over the mapped file."""

    count: int
    numbers: list[NDArray[np.int64]]
    lists: dict[str, _List]
    labels: NDArray[Any] | None

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> "_Block":
        lists = {name: _list(batch[name]) for name in _LISTS if batch[name].null_count < len(batch)}
        scalar = next((batch[name] for name in ("label", "label_value") if not batch[name].null_count), None)
        numbers = [batch[name].to_numpy() for name in _NUMBERS]
        return cls(len(batch), numbers, lists, None if scalar is None else scalar.to_numpy())

    def row(self, number: int) -> Encoded:
        ids = self.lists["input_ids"].row(number)
        assert ids is not None
        found = {name: column.row(number) for name, column in self.lists.items()}
        offsets, labels = found.get("offsets"), found.get("label_row")
        record, start, cut, widened = (int(column[number]) for column in self.numbers)
        return Encoded(
            record=record,
            input_ids=ids,
            offsets=None if offsets is None else offsets.reshape(-1, 2),
            labels=self.labels[number].item() if self.labels is not None else labels,
            segments=found.get("segments"),
            start=start,
            cut=cut,
            widened=widened,
        )


def _list(column: pa.Array) -> _List:
    there = column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else None
    return _List(column.offsets.to_numpy(), column.values.to_numpy(), there)


def _batch(chunk: Sequence[Encoded]) -> pa.RecordBatch:
    columns: dict[str, pa.Array] = {
        name: pa.array([getattr(row, name) for row in chunk], pa.int64()) for name in _NUMBERS
    }
    columns["input_ids"] = _lists([row.input_ids for row in chunk])
    columns["segments"] = _lists([row.segments for row in chunk])
    columns["offsets"] = _lists([None if row.offsets is None else row.offsets.reshape(-1) for row in chunk])
    columns["label"] = pa.nulls(len(chunk), pa.int64())
    columns["label_value"] = pa.nulls(len(chunk), pa.float64())
    columns["label_row"] = pa.nulls(len(chunk), pa.list_(pa.int32()))
    labels = [row.labels for row in chunk]
    if all(label is None or (isinstance(label, np.ndarray) and label.ndim == 1) for label in labels):
        columns["label_row"] = _lists(labels)
    elif all(isinstance(label, int | np.integer) for label in labels):
        columns["label"] = pa.array(labels, pa.int64())
    elif all(isinstance(label, float | np.floating) for label in labels):
        columns["label_value"] = pa.array(labels, pa.float64())
    else:
        raise Refusal("labels of this task cannot be written to shards; train from the prepared data itself")
    return pa.record_batch([columns[name] for name in _SCHEMA.names], schema=_SCHEMA)


def _lists(rows: Sequence[NDArray[Any] | None]) -> pa.Array:
    absent = np.array([row is None for row in rows])
    if absent.all():
        return pa.nulls(len(rows), pa.list_(pa.int32()))
    there = [np.zeros(0, np.int32) if row is None else row for row in rows]
    ends = np.concatenate([[0], np.cumsum([len(row) for row in there])]).astype(np.int32)
    values = np.concatenate(there).astype(np.int32, copy=False)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values), mask=pa.array(absent) if absent.any() else None)
