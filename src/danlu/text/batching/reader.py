"""Which examples make which batch: a pure function of the seed and the number of the batch.

Batches have one global order, whoever computes them: of each step's batches, rank r of R takes those at r, r + R,
r + 2 R, and so on. So a training goes on at any step, and with any number of ranks, without a state of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.machine.seed import generator
from danlu.text.batching.batch import Slice, plan
from danlu.text.batching.encoded import Sizes
from danlu.text.batching.order import Places, permuted

WINDOW = 1 << 16  # examples that are sorted by length together: enough for 1 % padding, planned in 20 ms


@dataclass(frozen=True)
class _Group:
    """Examples `first` to `last`, which are read together, in windows of so many batches each."""

    first: int
    last: int
    batches: Places


class Reader:
    """The order of examples of given sizes.

    Examples come together in windows, drawn once; an epoch has its own order of windows, of examples in each, and
    of batches. Opening looks at every size once, where batches are of so many tokens; a step is then found in
    the same time wherever it is.

    With `groups`, which say where groups of examples end, a window holds examples of one group, and an epoch reads
    group by group, in an order of its own.
    """

    def __init__(
        self,
        sizes: Sizes,
        seed: int,
        *,
        tokens: int,
        examples: int | None = None,
        window: int = WINDOW,
        groups: Sequence[int] | None = None,
    ) -> None:
        """Plan batches of `tokens` tokens, or of `examples` examples, from examples of these sizes."""
        self.sizes, self.seed, self.window = sizes, seed, window
        self.tokens, self.examples = tokens, examples
        self._groups: list[_Group] = []
        ends = [len(sizes)] if groups is None else groups
        for number, (first, last) in enumerate(zip([0, *ends], ends, strict=False)):
            # the number of batches depends on the sizes alone, so it is the same in every epoch
            rows = [self._rows(number, window, first, last) for window in range(-(-(last - first) // self.window))]
            self._groups.append(_Group(first, last, np.array([self._size(each) for each in rows], np.int64)))
        self._total = sum(int(group.batches.sum()) for group in self._groups)
        self._epoch: tuple[int, list[tuple[int, int]], Places] | None = None
        self._window: tuple[tuple[int, int, int], list[Slice]] | None = None

    def an_epoch(self, each: int = 1, ranks: int = 1) -> int:
        """Steps of `each` batches a rank in one pass over the data."""
        return -(-self._total // (each * ranks))

    def step(self, number: int, each: int = 1, rank: int = 0, ranks: int = 1) -> list[Slice]:
        """The batches of one rank in step `number`, counted over all epochs; the last step of an epoch has fewer."""
        epoch, number = divmod(number, self.an_epoch(each, ranks))
        first = number * each * ranks
        last = min(first + each * ranks, self._total)
        return [self._batch(epoch, place) for place in range(first + rank, last, ranks)]

    def near(self, number: int, each: int = 1, stop: int | None = None) -> tuple[int, ...]:
        """The groups about step `number`: that before, those that it reads, and the one that comes after them.

        No step from `stop` on is read any more.
        """
        epoch, number = divmod(number, self.an_epoch(each))
        order = self._order(epoch)
        first, last = (
            order.index(self._found(epoch, place)[0])
            for place in (number * each, min((number + 1) * each, self._total) - 1)
        )
        goes_on = stop is None or (epoch + 1) * self.an_epoch(each) < stop
        before = order[max(0, first - 1) : first] or (self._order(epoch - 1)[-1:] if epoch else [])
        after = order[last + 1 : last + 2] or (self._order(epoch + 1)[:1] if goes_on else [])
        return tuple(dict.fromkeys([*before, *order[first : last + 1], *after]))

    def _order(self, epoch: int) -> list[int]:
        """The groups in the order of an epoch; those without a batch are left out."""
        count = len(self._groups)
        order = permuted(np.arange(count), count, self.seed, "groups", epoch).tolist() if count > 1 else [0]
        return [group for group in order if len(self._groups[group].batches)]

    def _windows(self, epoch: int, group: int) -> Places:
        """The windows of a group in the order of an epoch."""
        count = len(self._groups[group].batches)
        named = (self.seed, "windows", epoch, group) if len(self._groups) > 1 else (self.seed, "windows", epoch)
        return permuted(np.arange(count), count, *named)

    def _found(self, epoch: int, place: int) -> tuple[int, int, int]:
        """The group and window of a batch, and which it is there."""
        if self._epoch is None or self._epoch[0] != epoch:
            windows = [(group, int(each)) for group in self._order(epoch) for each in self._windows(epoch, group)]
            sizes = [self._groups[group].batches[each] for group, each in windows]
            self._epoch = epoch, windows, np.cumsum(sizes)
        _, windows, ends = self._epoch
        at = int(np.searchsorted(ends, place, "right"))
        group, window = windows[at]
        return group, window, place - int(ends[at] - self._groups[group].batches[window])

    def _batch(self, epoch: int, place: int) -> Slice:
        group, window, number = self._found(epoch, place)
        key = epoch, group, window
        if self._window is None or self._window[0] != key:
            several, whole = len(self._groups) > 1, self._groups[group]
            named = (epoch, group, window) if several else (epoch, window) if len(whole.batches) > 1 else (epoch,)
            rows = self._rows(group, window, whole.first, whole.last)
            self._window = key, self._plan(rows, generator(self.seed, "order", *named))
        return self._window[1][number]

    def _rows(self, group: int, window: int, first: int, last: int) -> Places:
        """The examples of a window."""
        count = last - first
        rows = np.arange(window * self.window, min((window + 1) * self.window, count))
        if count > self.window:
            named = (self.seed, "rows", group) if first or last < len(self.sizes) else (self.seed, "rows")
            rows = permuted(rows, count, *named)
        return rows + first

    def _size(self, rows: Places) -> int:
        if self.examples is None:
            return len(self._plan(rows, None))
        return -(-len(rows) // self.examples)

    def _plan(self, rows: Places, rng: np.random.Generator | None) -> list[Slice]:
        slices = plan(self.sizes[rows], tokens=self.tokens, examples=self.examples, rng=rng)
        return [Slice(rows[piece.examples], piece.width, piece.tokens) for piece in slices]
