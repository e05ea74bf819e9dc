"""Which examples make which batch: a pure function of the seed and the number of the batch.

Batches have one global order, whoever computes them: of each step's batches, rank r of R takes those at r, r + R,
r + 2 R, and so on. So a training goes on at any step, and with any number of ranks, without a state of its own.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from danlu.machine.seed import generator
from danlu.text.batching.batch import Slice, plan
from danlu.text.batching.encoded import Encoded
from danlu.text.batching.order import Places, permuted

WINDOW = 1 << 16  # examples that are sorted by length together: enough for 1 % padding, planned in 20 ms


def lengths_of(encoded: Sequence[Encoded]) -> NDArray[np.integer]:
    """Tokens of each example, (N,); examples on disk know their `lengths` without being read."""
    lengths: NDArray[np.integer] | None = getattr(encoded, "lengths", None)
    return np.fromiter((len(item) for item in encoded), np.int64, len(encoded)) if lengths is None else lengths


class Reader:
    """The order of examples of given lengths.

    Examples come together in windows, drawn once; an epoch has its own order of windows, of examples in each, and
    of batches. Opening looks at every length once, where batches are of so many tokens; a step is then found in
    the same time wherever it is.
    """

    def __init__(
        self,
        lengths: NDArray[np.integer],
        seed: int,
        *,
        tokens: int,
        examples: int | None = None,
        window: int = WINDOW,
    ) -> None:
        """Plan batches of `tokens` tokens, or of `examples` examples, from examples of these lengths (N,)."""
        self.lengths, self.seed, self.window = lengths, seed, window
        self.tokens, self.examples = tokens, examples
        windows = -(-len(lengths) // window)
        # the number of batches depends on the lengths alone, so it is the same in every epoch
        self._sizes = np.array([self._size(number) for number in range(windows)], np.int64)
        self._total = int(self._sizes.sum())
        self._epoch: tuple[int, Places, Places] | None = None
        self._window: tuple[tuple[int, int], list[Slice]] | None = None

    def an_epoch(self, each: int = 1, ranks: int = 1) -> int:
        """Steps of `each` batches a rank in one pass over the data."""
        return -(-self._total // (each * ranks))

    def step(self, number: int, each: int = 1, rank: int = 0, ranks: int = 1) -> list[Slice]:
        """The batches of one rank in step `number`, counted over all epochs; the last step of an epoch has fewer."""
        epoch, number = divmod(number, self.an_epoch(each, ranks))
        first = number * each * ranks
        last = min(first + each * ranks, self._total)
        return [self._batch(epoch, place) for place in range(first + rank, last, ranks)]

    def _batch(self, epoch: int, place: int) -> Slice:
        if self._epoch is None or self._epoch[0] != epoch:
            order = permuted(np.arange(len(self._sizes)), len(self._sizes), self.seed, "windows", epoch)
            self._epoch = epoch, order, np.cumsum(self._sizes[order])
        _, order, ends = self._epoch
        at = int(np.searchsorted(ends, place, "right"))
        key = epoch, int(order[at])
        if self._window is None or self._window[0] != key:
            named = key if len(self._sizes) > 1 else key[:1]
            self._window = key, self._plan(key[1], generator(self.seed, "order", *named))
        return self._window[1][place - int(ends[at] - self._sizes[key[1]])]

    def _size(self, window: int) -> int:
        if self.examples is None:
            return len(self._plan(window, None))
        return -(-min(self.window, len(self.lengths) - window * self.window) // self.examples)

    def _plan(self, window: int, rng: np.random.Generator | None) -> list[Slice]:
        rows = np.arange(window * self.window, min((window + 1) * self.window, len(self.lengths)))
        if len(self.lengths) > self.window:
            rows = permuted(rows, len(self.lengths), self.seed, "rows")
        slices = plan(self.lengths[rows], tokens=self.tokens, examples=self.examples, rng=rng)
        return [Slice(rows[piece.rows], piece.width) for piece in slices]
