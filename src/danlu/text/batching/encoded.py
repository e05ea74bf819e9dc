"""What becomes of a record before it meets the model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]


@dataclass(slots=True)
class Row:
    """T tokens that the model reads as one.

    - `input_ids`: (T,), special tokens included.
    - `offsets`: (T, 2), the characters each token stands for, end exclusive; (0, 0) for special tokens, and for those
      of the first of two texts in one row.
    - `token_types`: (T,), which of two texts a token belongs to; None where there is one text.
    - `segments`: (T,), which of several packed documents a token belongs to, from 0; None if there is one.
    """

    input_ids: Ids
    offsets: Ids | None = None
    token_types: Ids | None = None
    segments: Ids | None = None

    def __len__(self) -> int:
        return len(self.input_ids)


@dataclass(slots=True)
class Encoded:
    """One record in tokens, or one window of a record that is longer than the model allows.

    - `record`: position of the record among those that were encoded together.
    - `rows`: most examples have one; pairs encoded apart, choices, a query and its documents have several.
    - `targets`: what is to be learnt, by name: a number, or an array over tokens with -100 where nothing counts.
    - `target_ids`: (U,), the tokens that a decoder is to write; None where nothing is written.
    - `start`: number of the row's first token among the tokens of its record; windows of a record overlap where
      these say so.
    - `cut`: how many tokens of the record were cut off because it was too long.
    - `widened`: how many spans had borders inside a token, or covered none, and so are not labelled exactly.
    - `kept`: special tokens that are text where they are written behind this row, as those around calls are.
    """

    record: int
    rows: tuple[Row, ...]
    targets: dict[str, Any] = field(default_factory=dict)
    target_ids: Ids | None = None
    start: int = 0
    cut: int = 0
    widened: int = 0
    kept: tuple[int, ...] = ()

    @property
    def row(self) -> Row:
        """The only row."""
        (row,) = self.rows
        return row

    @property
    def teaches(self) -> bool:
        """Whether anything counts: where all targets are of tokens, one of these at least, or one is to be written."""
        written = self.target_ids is not None and len(self.target_ids) > 0
        return (
            written
            or not self.targets
            or any(np.ndim(value) == 0 or np.any(value >= 0) for value in self.targets.values())
        )

    @property
    def learnt(self) -> int:
        """How many tokens are learnt: places of the rows that count, and those to be written."""
        places = sum(int(np.sum(np.asarray(value) >= 0)) for value in self.targets.values() if np.ndim(value) == 1)
        return places + (0 if self.target_ids is None else len(self.target_ids))

    def __len__(self) -> int:
        """Tokens of the longest row."""
        return max(map(len, self.rows))


@dataclass(frozen=True)
class Sizes:
    """What N examples cost a batch.

    - `widths`: (N,), tokens of the longest row of each.
    - `rows`: (N,), how many rows it has; None where each has one.
    - `targets`: (N,), tokens of its target side; None where there is none.
    """

    widths: NDArray[np.integer]
    rows: NDArray[np.integer] | None = None
    targets: NDArray[np.integer] | None = None

    def __len__(self) -> int:
        return len(self.widths)

    def __getitem__(self, places: NDArray[np.integer]) -> "Sizes":
        """Those of some of the examples."""
        rows = None if self.rows is None else self.rows[places]
        return Sizes(self.widths[places], rows, None if self.targets is None else self.targets[places])

    @property
    def each(self) -> NDArray[np.integer]:
        """(N,), tokens of each example, every row as long as its longest."""
        rows = self.widths if self.rows is None else self.widths * self.rows
        return rows if self.targets is None else rows + self.targets

    @property
    def tokens(self) -> int:
        """Of all examples together."""
        return int(self.each.sum())


def sizes_of(encoded: Sequence[Encoded]) -> Sizes:
    """What each example costs; examples on disk know their `sizes` without being read."""
    known: Sizes | None = getattr(encoded, "sizes", None)
    if known is not None:
        return known
    count = len(encoded)
    widths = np.fromiter((len(item) for item in encoded), np.int64, count)
    rows = np.fromiter((len(item.rows) for item in encoded), np.int64, count)
    targets = np.fromiter((0 if item.target_ids is None else len(item.target_ids) for item in encoded), np.int64, count)
    return Sizes(widths, rows if (rows > 1).any() else None, targets if targets.any() else None)


def tokens_read(encoded: Sequence[Encoded]) -> Iterable[Ids]:
    """The numbers of all tokens that a model reads; examples on disk give theirs by the block."""
    known: Iterable[Ids] | None = getattr(encoded, "tokens_read", None)
    return (row.input_ids for item in encoded for row in item.rows) if known is None else known
