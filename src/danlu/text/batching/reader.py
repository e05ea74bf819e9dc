"""Which examples make which batch: a pure function of the seed and the number of the batch.

Batches have one global order, whoever computes them: of each step's batches, rank r of R takes those at r, r + R,
r + 2 R, and so on. So a training goes on at any step, and with any number of ranks, without a state of its own.
"""

import numpy as np

from danlu.machine.seed import generator
from danlu.text.batching.batch import Slice, plan
from danlu.text.batching.encoded import Sizes
from danlu.text.batching.order import Places, permuted

WINDOW = 1 << 16  # examples that are sorted by length together: enough for 1 % padding, planned in 20 ms


class Reader:
    """The order of examples of given sizes.

    Examples come together in windows, drawn once; an epoch has its own order of windows, of examples in each, and
    of batches. Opening looks at every size once, where batches are of so many tokens; a step is then found in
    the same time wherever it is.
    """

    def __init__(
        self,
        sizes: Sizes,
        seed: int,
        *,
        tokens: int,
        examples: int | None = None,
        window: int = WINDOW,
    ) -> None:
        """Plan batches of `tokens` tokens, or of `examples` examples, from examples of these sizes."""
        self.sizes, self.seed, self.window = sizes, seed, window
        self.tokens, self.examples = tokens, examples
        windows = -(-len(sizes) // window)
        # the number of batches depends on the sizes alone, so it is the same in every epoch
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
        return -(-min(self.window, len(self.sizes) - window * self.window) // self.examples)

    def _plan(self, window: int, rng: np.random.Generator | None) -> list[Slice]:
        rows = np.arange(window * self.window, min((window + 1) * self.window, len(self.sizes)))
        if len(self.sizes) > self.window:
            rows = permuted(rows, len(self.sizes), self.seed, "rows")
        slices = plan(self.sizes[rows], tokens=self.tokens, examples=self.examples, rng=rng)
        return [Slice(rows[piece.examples], piece.width, piece.tokens) for piece in slices]
