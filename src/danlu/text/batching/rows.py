"""Encoded examples in Arrow files, read by mapping them into memory (Apache Arrow IPC format)."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from danlu.data.reading.arrow_rows import arrow_refused
from danlu.refusal import Refusal
from danlu.text.batching.depot import Depot
from danlu.text.batching.encoded import Encoded, Ids, Row, Sizes, sizes_of
from danlu.text.batching.shards import Manifest, Shard, pieces, shard_of
from danlu.text.batching.stored_rows import StoredRows

SHARD = 1 << 26  # tokens: 256 MB of numbers

_NUMBERS = ("record", "start", "cut", "widened")
_PARTS = ("input_ids", "offsets", "token_types", "segments")
_FIXED = pa.schema(
    [(name, pa.int64()) for name in _NUMBERS]
    + [(name, pa.list_(pa.list_(pa.int32()))) for name in _PARTS]
    + [("target_ids", pa.list_(pa.int32()))]
)
_TARGET = "target:"
_TYPES = (pa.int64(), pa.float64(), pa.list_(pa.int32()), pa.list_(pa.float64()))
"""Of a target: a number of a class or of another sort a record, or either for each token."""


def write_rows(folder: Path, chunks: Iterable[Sequence[Encoded]], *, shard: int = SHARD) -> list[Shard]:
    """Write examples as they come into files of about `shard` tokens; no more than a chunk is held.

    Raises:
        Refusal: targets of a sort that has no place in a column.
    """
    written: list[Shard] = []
    waiting = (piece for chunk in chunks for piece in pieces(chunk, _tokens(chunk), shard))
    chunk = next(waiting, None)
    schema = None if chunk is None else _schema(chunk[0])
    while chunk is not None:
        name, index = f"rows-{len(written):05}.arrow", f"rows-{len(written):05}.sizes.npy"
        count = tokens = 0
        costs: list[NDArray[np.int32]] = []
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            while tokens < shard and chunk is not None:
                writer.write_batch(_batch(chunk, schema))
                sizes = sizes_of(chunk)
                count += len(chunk)
                tokens += sizes.tokens
                costs.append(_table(sizes))
                chunk = next(waiting, None)
        np.save(folder / index, np.concatenate(costs), allow_pickle=False)
        written.append(shard_of(folder, [name, index], count, tokens))
    return written


def _tokens(chunk: Sequence[Encoded]) -> list[int]:
    return [sum(map(len, item.rows)) + (0 if item.target_ids is None else len(item.target_ids)) for item in chunk]


def _schema(first: Encoded) -> pa.Schema:
    """The columns of examples whose targets are of the same sort as those of the first."""
    return pa.schema([*_FIXED, *(pa.field(_TARGET + name, _type(value)) for name, value in first.targets.items())])


def _type(value: Any) -> pa.DataType:
    array = np.asarray(value)
    if array.ndim <= 1 and array.dtype.kind in "iuf":
        return _TYPES[2 * array.ndim + (array.dtype.kind == "f")]
    raise Refusal("the targets of this task cannot be written to shards; train from the prepared data itself")


class Rows(StoredRows):
    """Rows on disk, in the order in which they were written; a row is read when it is asked for."""

    def __init__(self, folder: Path, manifest: Manifest, depot: Depot | None = None) -> None:
        """Open the files of a manifest that was checked; those of a depot when their rows are read.

        Raises:
            Refusal: a file is none that danlu wrote; or its sizes, which a depot needs, are not beside it.
        """
        self._folder, self._shards, self.depot = folder, manifest.shards, depot
        self.counts = [shard.count for shard in manifest.shards]
        self._starts = [0, *accumulate(self.counts)]
        self._files: dict[int, _File] = {}
        if depot is None:
            self._files = {number: self._opened(number) for number in range(len(self._shards))}
            tables = [file.table for file in self._files.values()]
        else:
            tables = [_written_sizes(folder, shard) for shard in self._shards]
        widths, rows, targets = (np.concatenate([table[:, place] for table in tables]) for place in range(3))
        self._sizes = Sizes(widths, rows if (rows > 1).any() else None, targets if targets.any() else None)

    @property
    def sizes(self) -> Sizes:
        """What each costs; see `StoredRows.sizes`."""
        return self._sizes

    def __len__(self) -> int:
        return self._starts[-1]

    def let_go(self, kept: Collection[int]) -> None:
        """See `StoredRows.let_go`."""
        self._files = {number: file for number, file in self._files.items() if number in kept}

    @property
    def tokens_read(self) -> Iterable[Ids]:
        """The numbers of all tokens, block by block."""
        for number in range(len(self._shards)):
            yield from (block.parts[0].values for block in self._file(number).blocks)

    def read(self, number: int) -> Encoded:
        """One row; see `StoredRows.read`."""
        at = bisect_right(self._starts, number) - 1
        return self._file(at).row(number - self._starts[at])

    def _file(self, number: int) -> "_File":
        found = self._files.get(number)
        if found is None:
            found = self._files[number] = self._opened(number)
            written = self._sizes[np.arange(self._starts[number], self._starts[number + 1])]
            if not np.array_equal(found.table, _table(written)):
                raise self._unfit(number)
        return found

    def _unfit(self, number: int) -> Refusal:
        path = self._folder / self._shards[number].file
        return Refusal(f"{path}: its sizes do not fit its rows; write the shards again")

    def _opened(self, number: int) -> "_File":
        path = self._folder / self._shards[number].file
        with arrow_refused(str(path), "Arrow"):
            reader = pa.ipc.open_file(_map(path) if self.depot is None else self.depot.mapped(number, _map))
            found = _File([_checked(reader, block) for block in range(reader.num_record_batches)])
        if len(found.table) != self.counts[number]:
            raise self._unfit(number)
        return found


def _map(path: Path) -> Any:
    return pa.memory_map(str(path))


class _File:
    """The blocks of a file; `table` is (N, 3), what each row costs."""

    def __init__(self, blocks: Sequence["_Block"]) -> None:
        self.blocks = blocks
        self.table = np.concatenate([_table(block.sizes()) for block in blocks])
        self._starts = [0, *accumulate(block.count for block in blocks)]

    def row(self, number: int) -> Encoded:
        at = bisect_right(self._starts, number) - 1
        return self.blocks[at].row(number - self._starts[at])


def _table(sizes: Sizes) -> NDArray[np.int32]:
    """(N, 3): widths, rows and tokens to be written of each example."""
    count = len(sizes)
    rows = np.ones(count, np.int32) if sizes.rows is None else sizes.rows
    targets = np.zeros(count, np.int32) if sizes.targets is None else sizes.targets
    return np.stack([sizes.widths, rows, targets], 1).astype(np.int32)


def _written_sizes(folder: Path, shard: Shard) -> NDArray[np.int32]:
    names = [name for name in shard.files if name != shard.file]
    if not names:
        raise Refusal(
            f"{folder / shard.file}: an older danlu wrote these shards, without the sizes of their rows; leave 'held' "
            "out, or write them again"
        )
    path = folder / names[0]
    try:
        found: NDArray[np.int32] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Refusal(f"{path}: the sizes of the rows cannot be read ({error}); write the shards again") from error
    if found.shape != (shard.count, 3) or found.dtype != np.int32 or found.min(initial=1) < 0:
        raise Refusal(f"{path}: holds no sizes of {shard.count:,} rows; write the shards again")
    return found


def _checked(reader: Any, number: int) -> "_Block":
    """A batch whose offsets stay within it: hashes show damage, not what a file was made with."""
    batch = reader.get_batch(number)
    batch.validate(full=True)
    fixed, targets = list(batch.schema)[: len(_FIXED)], list(batch.schema)[len(_FIXED) :]
    if fixed != list(_FIXED) or any(
        field.type not in _TYPES or not field.name.startswith(_TARGET) or batch[field.name].null_count
        for field in targets
    ):
        raise pa.ArrowInvalid("its columns are not those of encoded rows")
    firsts = batch["input_ids"].offsets
    if any(not batch[name].offsets.equals(firsts) for name in _PARTS) or batch["input_ids"].values.null_count:
        raise pa.ArrowInvalid("its columns tell of different rows")
    if np.diff(firsts.to_numpy()).min(initial=1) < 1:
        raise pa.ArrowInvalid("an example has no row")
    return _Block.of(batch)


@dataclass(slots=True)
class _List:
    """A column of lists: (N + 1,) where each begins and ends among the values; whether any is absent."""

    ends: NDArray[np.int32]
    values: Any
    there: NDArray[np.bool_] | None

    @classmethod
    def of(cls, column: pa.Array) -> "_List":
        there = column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else None
        return cls(column.offsets.to_numpy(), column.values.to_numpy(), there)

    def row(self, number: int) -> Any:
        if self.there is not None and not self.there[number]:
            return None
        return self.values[self.ends[number] : self.ends[number + 1]]


@dataclass(slots=True)
class _Block:
    """One record batch as arrays over the mapped file.

    - `firsts`: (N + 1,), the first row of each example among the rows of the block.
    """

    firsts: NDArray[np.int32]
    numbers: list[NDArray[np.int64]]
    parts: list[_List]
    target_ids: _List
    targets: dict[str, _List | NDArray[Any]]

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> "_Block":
        firsts = batch["input_ids"].offsets.to_numpy()
        parts = [_List.of(batch[name].values) for name in _PARTS]
        targets = {
            field.name.removeprefix(_TARGET): column.to_numpy()
            if pa.types.is_primitive(field.type)
            else _List.of(column)
            for field, column in list(zip(batch.schema, batch.columns, strict=True))[len(_FIXED) :]
        }
        numbers = [batch[name].to_numpy() for name in _NUMBERS]
        return cls(firsts, numbers, parts, _List.of(batch["target_ids"]), targets)

    @property
    def count(self) -> int:
        return len(self.firsts) - 1

    def sizes(self) -> Sizes:
        widths = np.maximum.reduceat(np.diff(self.parts[0].ends), self.firsts[:-1])
        return Sizes(widths, np.diff(self.firsts), np.diff(self.target_ids.ends))

    def row(self, number: int) -> Encoded:
        record, start, cut, widened = (int(column[number]) for column in self.numbers)
        return Encoded(
            record=record,
            rows=tuple(map(self._tokens, range(self.firsts[number], self.firsts[number + 1]))),
            targets={
                name: column.row(number) if isinstance(column, _List) else column[number].item()
                for name, column in self.targets.items()
            },
            target_ids=self.target_ids.row(number),
            start=start,
            cut=cut,
            widened=widened,
        )

    def _tokens(self, place: int) -> Row:
        ids, offsets, types, segments = (part.row(place) for part in self.parts)
        return Row(ids, None if offsets is None else offsets.reshape(-1, 2), types, segments)


def _batch(chunk: Sequence[Encoded], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array([getattr(item, name) for item in chunk], pa.int64()) for name in _NUMBERS]
    firsts = pa.array(np.cumsum([0, *(len(item.rows) for item in chunk)]), pa.int32())
    rows = [row for item in chunk for row in item.rows]
    for name in _PARTS:
        flat = [None if (part := getattr(row, name)) is None else part.reshape(-1) for row in rows]
        columns.append(pa.ListArray.from_arrays(firsts, _lists(flat, pa.int32())))
    columns.append(_lists([item.target_ids for item in chunk], pa.int32()))
    for field in list(schema)[len(_FIXED) :]:
        values = [item.targets.get(field.name.removeprefix(_TARGET)) for item in chunk]
        if any(value is None or _type(value) != field.type for value in values):
            raise Refusal("the targets of this task differ in sort from record to record; train from the prepared data")
        listed = pa.types.is_list(field.type)
        columns.append(_lists(values, field.type.value_type) if listed else pa.array(values, field.type))
    return pa.record_batch(columns, schema=schema)


def _lists(rows: Sequence[NDArray[Any] | None], of: pa.DataType) -> pa.Array:
    absent = np.array([row is None for row in rows])
    if absent.all():
        return pa.nulls(len(rows), pa.list_(of))
    there = [np.zeros(0, np.int32) if row is None else row for row in rows]
    ends = np.concatenate([[0], np.cumsum([len(row) for row in there])]).astype(np.int32)
    values = np.concatenate(there).astype(of.to_pandas_dtype(), copy=False)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values), mask=pa.array(absent) if absent.any() else None)
