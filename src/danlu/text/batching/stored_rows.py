"""Rows that lie on disk and are read when they are asked for."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from danlu.text.batching.encoded import Encoded


class StoredRows(Sequence[Encoded]):
    """Rows that are looked up by their number; `lengths` are the tokens of each, (N,)."""

    lengths: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, row: int) -> Encoded: ...
    @overload
    def __getitem__(self, row: slice) -> list[Encoded]: ...
    def __getitem__(self, row: int | slice) -> Encoded | list[Encoded]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(len(self)))]
        number = int(row) + (len(self) if row < 0 else 0)
        if not 0 <= number < len(self):
            raise IndexError(row)
        return self.read(number)

    @abstractmethod
    def read(self, number: int) -> Encoded:
        """One row, by its number from 0."""
