"""Numbers that are written row by row and read column by column, in a file of their own where they are many."""

from array import array
from collections.abc import Iterator, Sequence
from tempfile import SpooledTemporaryFile
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

IN_MEMORY = 2**22
"""Bytes that stay in memory: 500,000 numbers, such as the scores of 50,000 answers with 10 labels."""

AT_ONCE = 2**17  # numbers that are written or read in one go, 1 MB


class Columns:
    """A matrix (N, L) in float64."""

    def __init__(self, width: int) -> None:
        """An empty matrix of `width` columns."""
        self.width = width
        self.length = 0
        self._waiting = array("d")
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  (it lives as long as the matrix)
        finalize(self, self._file.close)

    def append(self, row: Sequence[float]) -> None:
        """Add a row of `width` numbers."""
        assert len(row) == self.width
        self._waiting.extend(row)
        self.length += 1
        if len(self._waiting) >= AT_ONCE:
            self._write()

    def blocks(self) -> Iterator[Floats]:
        """The rows in order, some at a time: (n, L) each."""
        self._write()
        self._file.seek(0)
        size = max(1, AT_ONCE // max(1, self.width)) * self.width * 8
        while read := self._file.read(size):
            yield np.frombuffer(read, np.float64).reshape(-1, self.width)

    def rows(self) -> Iterator[list[float]]:
        """The rows in order."""
        for block in self.blocks():
            yield from block.tolist()

    def columns(self, start: int, end: int) -> Floats:
        """Some of the columns, (N, end - start)."""
        found, row = np.empty((self.length, end - start)), 0
        for rows in self.blocks():
            found[row : row + len(rows)] = rows[:, start:end]
            row += len(rows)
        return found

    def _write(self) -> None:
        self._file.seek(0, 2)
        self._file.write(self._waiting.tobytes())
        self._waiting = array("d")


class Ragged:
    """Rows of numbers of unlike length, in memory, such as the probabilities of the choices of each question."""

    def __init__(self) -> None:
        """No row yet."""
        self._rows: list[Sequence[float]] = []

    def append(self, row: Sequence[float]) -> None:
        """Add a row."""
        self._rows.append(row)

    def rows(self) -> Iterator[list[float]]:
        """The rows in order."""
        return map(list, self._rows)


def room_for_scores(labels: Sequence[str]) -> Columns | Ragged:
    """Room for the scores of answers: a column a label, or rows of choices where there are no labels."""
    return Columns(len(labels)) if labels else Ragged()
