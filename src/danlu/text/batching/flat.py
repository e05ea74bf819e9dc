"""Documents as one long row of token numbers in flat files: what language models are pretrained from.

`tokens-00000.bin` holds the numbers of whole documents, little-endian uint16 where the vocabulary fits, else uint32;
`tokens-00000.ends.npy` where each document ends (int64). Rows for training are looked up, never stored.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from danlu.refusal import Refusal
from danlu.text.batching.depot import Depot
from danlu.text.batching.encoded import Encoded, Ids, Row, Sizes
from danlu.text.batching.shards import Manifest, Shard, pieces, shard_of
from danlu.text.batching.stored_rows import StoredRows

SHARD = 1 << 27  # tokens: 256 MB where a number takes two bytes

SOME = 1 << 20  # tokens that are looked at together

Targets = Callable[[Row], dict[str, Ids]]
"""What a task wants to be learnt of a row, by name: (T,), -100 where nothing counts."""


def number_type(vocabulary: int) -> np.dtype[np.unsignedinteger]:
    """The smallest type that holds the numbers of so many tokens."""
    return np.dtype("<u2" if vocabulary <= 1 << 16 else "<u4")


def write_tokens(folder: Path, chunks: Iterable[Sequence[Ids]], vocabulary: int, *, shard: int = SHARD) -> list[Shard]:
    """Write documents as they come into files of about `shard` tokens; no more than a chunk is held.

    A document stands in one file. An empty one is left out.
    """
    dtype = number_type(vocabulary)
    written: list[Shard] = []
    waiting = (piece for chunk in chunks for piece in pieces(chunk, [*map(len, chunk)], shard))
    first = next(waiting, None)
    while first is not None:
        names = [f"tokens-{len(written):05}.bin", f"tokens-{len(written):05}.ends.npy"]
        lengths: list[int] = []
        with (folder / names[0]).open("wb") as file:
            tokens = 0
            following = None
            for chunk in chain([first], waiting):
                if tokens >= shard:
                    following = chunk
                    break
                filled = [document for document in chunk if len(document)]
                if filled:
                    file.write(np.concatenate(filled).astype(dtype).tobytes())
                lengths += [len(document) for document in filled]
                tokens += sum(map(len, filled))
        first = following
        if lengths:
            np.save(folder / names[1], np.cumsum(lengths, dtype=np.int64), allow_pickle=False)
            written.append(shard_of(folder, names, len(lengths), tokens))
        else:
            (folder / names[0]).unlink()
    return written


class FlatTokens:
    """Flat token files, mapped into memory when they are read.

    - `counts`: tokens of each file; `ends`: where its documents end.
    - `depot`: brings the files that lie elsewhere; None where all lie here.
    """

    def __init__(self, folder: Path, manifest: Manifest, depot: Depot | None = None) -> None:
        """Open the files of a manifest that was checked.

        Raises:
            Refusal: an index does not fit its tokens.
        """
        self.depot = depot
        self.counts = [shard.tokens for shard in manifest.shards]
        self.ends: list[NDArray[np.int64]] = []
        self._folder, self._names = folder, [shard.file for shard in manifest.shards]
        self._dtype = number_type(int(manifest.told("vocabulary")))
        self._mapped: dict[int, NDArray[np.unsignedinteger]] = {}
        for shard in manifest.shards:
            data, index = shard.files
            ends = np.load(folder / index, mmap_mode="r", allow_pickle=False)
            size = shard.tokens * self._dtype.itemsize
            if shard.files[data]["bytes"] != size or len(ends) != shard.count or int(ends[-1]) != shard.tokens:
                raise Refusal(f"{folder / index}: the index does not fit the tokens beside it; write the shards again")
            self.ends.append(ends)

    def tokens(self, part: int) -> NDArray[np.unsignedinteger]:
        """The numbers of a file."""
        found = self._mapped.get(part)
        if found is None:
            if self.depot is None:
                found = self._map(self._folder / self._names[part])
            else:
                found = self.depot.mapped(part, self._map)
            self._mapped[part] = found
        return found

    def _map(self, path: Path) -> NDArray[np.unsignedinteger]:
        return np.memmap(path, self._dtype, "r")

    def let_go(self, kept: Collection[int]) -> None:
        """See `StoredRows.let_go`."""
        self._mapped = {part: tokens for part, tokens in self._mapped.items() if part in kept}


class _Looked(StoredRows):
    """Rows whose targets are made when they are read.

    - `lengths`: (N,), the tokens of each.
    """

    lengths: NDArray[np.int32]

    def __init__(self, flat: FlatTokens, targets: Targets) -> None:
        self._flat, self._targets, self.depot = flat, targets, flat.depot

    def read(self, number: int) -> Encoded:
        """One row with its targets; see `StoredRows.read`."""
        found = self._row(number)
        found.targets = self._targets(found.row)
        return found

    @property
    def sizes(self) -> Sizes:
        """What each row costs."""
        return Sizes(self.lengths)

    def let_go(self, kept: Collection[int]) -> None:
        """See `StoredRows.let_go`."""
        self._flat.let_go(kept)

    @property
    def tokens_read(self) -> Iterable[Ids]:
        """The numbers of all tokens, some of a file at a time."""
        for part in range(len(self._flat.counts)):
            tokens = self._flat.tokens(part)
            yield from (tokens[start : start + SOME].astype(np.int32) for start in range(0, len(tokens), SOME))

    def _row(self, number: int) -> Encoded:
        raise IndexError(number)


class PackedRows(_Looked):
    """Rows of `size` tokens that go on from document to document; `segments` tell these apart.

    A row repeats the last token of the one before, so that every token but a document's first is predicted once.
    """

    def __init__(self, flat: FlatTokens, size: int, targets: Targets) -> None:
        """Rows of at most `size` tokens, 2 or more; the last of a file may be shorter."""
        super().__init__(flat, targets)
        self._size = size
        self.counts = [-(-(tokens - 1) // (size - 1)) for tokens in flat.counts]
        self._starts = np.cumsum([0, *self.counts])
        self.lengths = np.full(int(self._starts[-1]), size, np.int32)
        for tokens, count, end in zip(flat.counts, self.counts, self._starts[1:], strict=True):
            if count:
                self.lengths[end - 1] = tokens - (count - 1) * (size - 1)

    def _row(self, number: int) -> Encoded:
        part = int(np.searchsorted(self._starts, number, "right")) - 1
        tokens, ends = self._flat.tokens(part), self._flat.ends[part]
        start = (number - int(self._starts[part])) * (self._size - 1)
        ids = tokens[start : start + int(self.lengths[number])].astype(np.int32)
        first = int(np.searchsorted(ends, start, "right"))
        last = int(np.searchsorted(ends, start + len(ids), "left"))
        cuts = np.asarray(ends[first:last]) - start
        segments = np.searchsorted(cuts, np.arange(len(ids)), "right").astype(np.int32)
        return Encoded(number, (Row(ids, segments=segments),))


class DocumentRows(_Looked):
    """Rows of one document each, or of one window of it, with the document's first and last special tokens."""

    def __init__(
        self, flat: FlatTokens, size: int, targets: Targets, *, around: tuple[int, int] = (0, 0), overlap: int = 0
    ) -> None:
        """Rows of at most `size` tokens.

        `around` are how many special tokens a document begins and ends with; `overlap` is how many tokens two
        neighbouring windows of a document share.
        """
        super().__init__(flat, targets)
        self._around = around
        self._stride = size - sum(around) - overlap
        assert self._stride > 0, f"a row of {size} tokens has no room for text"
        self._documents = np.cumsum([0, *map(len, flat.ends)])
        contents = [np.diff(ends, prepend=0) - sum(around) for ends in flat.ends]
        content_D = np.maximum(np.concatenate(contents), 0)
        windows_D = np.maximum(1, -(-(content_D - overlap) // self._stride))
        self._ends = np.cumsum(windows_D)
        summed = np.concatenate([[0], self._ends])
        self.counts = np.diff(summed[self._documents]).tolist()
        self.lengths = np.full(int(self._ends[-1]), size, np.int32)
        self.lengths[self._ends - 1] = content_D - (windows_D - 1) * self._stride + sum(around)

    def _row(self, number: int) -> Encoded:
        document = int(np.searchsorted(self._ends, number, "right"))
        before = int(self._ends[document - 1]) if document else 0
        part = int(np.searchsorted(self._documents, document, "right")) - 1
        tokens, ends = self._flat.tokens(part), self._flat.ends[part]
        inside = document - int(self._documents[part])
        begin, end = (int(ends[inside - 1]) if inside else 0), int(ends[inside])
        lead, trail = self._around
        start = begin + lead + (number - before) * self._stride
        stop = start + int(self.lengths[number]) - lead - trail
        pieces = [tokens[begin : begin + lead], tokens[start:stop], tokens[end - trail : end]]
        return Encoded(document, (Row(np.concatenate(pieces).astype(np.int32)),), start=start - begin - lead)
