"""Examples that lie on disk and are read when they are asked for."""

from abc import abstractmethod
from collections.abc import Collection, Sequence
from threading import Event
from typing import overload

from danlu.text.batching.depot import Depot
from danlu.text.batching.encoded import Encoded, Sizes


class StoredRows(Sequence[Encoded]):
    """Examples that are looked up by their number.

    - `depot`: brings the files that lie elsewhere; None where all lie here.
    - `counts`: how many rows each file gives.
    """

    depot: Depot | None = None
    counts: Sequence[int] = ()

    @property
    @abstractmethod
    def sizes(self) -> Sizes:
        """What each costs, known without reading it."""

    def let_go(self, kept: Collection[int]) -> None:
        """Close all files but these, which the system may then remove."""

    @property
    def groups(self) -> list[int] | None:
        """Where groups of rows end that are read one after the other; None where all rows are at hand."""
        return None if self.depot is None else self.depot.ends(self.counts)

    def near(self, groups: Sequence[int]) -> None:
        """Rows of these groups alone are read from now on, the last one's later."""
        if self.depot is not None:
            self.let_go(self.depot.shards_in(groups))
            self.depot.near(groups)

    def until(self, stopped: Event) -> None:
        """What is fetched from now on is given up once `stopped` is set."""
        if self.depot is not None:
            self.depot.stopped = stopped

    def __len__(self) -> int:
        return len(self.sizes)

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
        """One example, by its number from 0."""


def groups_of(encoded: Sequence[Encoded]) -> list[int] | None:
    """Where groups of rows end that are read one after the other; None where all are at hand."""
    return encoded.groups if isinstance(encoded, StoredRows) else None
