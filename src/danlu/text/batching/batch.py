"""Tensors of one step, and how examples of like lengths come together in few distinct shapes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from danlu.text.batching.encoded import Sizes

LOGGED = "log."


@dataclass(slots=True)
class Batch:
    """What the model is called with, and what the loss needs.

    - `inputs`: keyword arguments of the model, each (B, T); the rows of an example stand one after the other.
    - `targets`: what is to be learnt, by name: (B,), (B, T) or as the task says, -100 where nothing counts.
    - `counts`: how much each objective weighs, by name: how many labels count, or the sum of their weights. The loss
      of a step is the sum of its objectives, each divided by the sum of these. What begins with `LOGGED` is no
      objective: it is counted likewise, and told in the log alone.
    - `examples`: positions of the examples among all that were encoded.
    - `tokens`: how many tokens are not padding.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    counts: dict[str, float]
    examples: NDArray[np.int64]
    tokens: int

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        if device.type == "cpu":
            return self

        def moved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: tensor.pin_memory().to(device, non_blocking=True) for name, tensor in tensors.items()}

        return replace(self, inputs=moved(self.inputs), targets=moved(self.targets))


@dataclass(slots=True)
class Slice:
    """The examples of one batch: their positions, the width their rows are padded to, and all of its tokens."""

    examples: NDArray[np.int64]
    width: int
    tokens: int


def plan(
    sizes: Sizes,
    *,
    tokens: int,
    examples: int | None = None,
    rng: np.random.Generator | None = None,
    longest: int | None = None,
    padded: bool = True,
) -> list[Slice]:
    """Batches of like sizes in few distinct widths; every example is in exactly one.

    A batch holds `tokens` tokens, padding and target sides included, its number of examples a multiple of 4; or
    `examples` examples. Widths climb a ladder, and none exceeds `longest`, which is the longest row if it is not
    given, so that a model whose limit is not on it can take it.
    The slots that are left in a batch go to the next smaller examples, so only the batch with the smallest ones may be
    small; unless `padded`, only rows of one length share a batch. With `rng`, examples of like sizes are shuffled and
    so are the batches; without, the largest come first and the order is always the same.
    """
    if not len(sizes):
        return []
    cost = _Cost.of(sizes, longest, padded=padded)
    order = cost.falling(rng)
    slices = []
    start = 0
    while start < len(order):
        first = order[start]
        chosen = order[start : start + (examples or _examples(tokens, int(cost.padded[first])))]
        if not padded:
            chosen = chosen[cost.widths[chosen] == cost.widths[first]]
        if cost.mixed and examples is None:
            chosen = chosen[: cost.fitting(chosen, tokens)]
        slices.append(Slice(chosen, int(cost.widths[chosen].max()), cost.together(chosen)))
        start += len(chosen)
    if rng is not None:
        slices = [slices[number] for number in rng.permutation(len(slices))]
    return slices


@dataclass(frozen=True)
class _Cost:
    """What N examples cost, each (N,): a row's padded width, rows, padded targets, all with and without padding.

    - `mixed`: whether equal costs may be made up of different widths, so that examples cost more together than alone.
    """

    widths: NDArray[np.int64]
    rows: NDArray[np.int64]
    targets: NDArray[np.int64]
    padded: NDArray[np.int64]
    exact: NDArray[np.int64]
    mixed: bool

    @classmethod
    def of(cls, sizes: Sizes, longest: int | None, *, padded: bool) -> "_Cost":
        lengths_N = np.asarray(sizes.widths, np.int64)
        widths_N = _climbed(lengths_N, longest) if padded else lengths_N
        rows_N = np.ones_like(lengths_N) if sizes.rows is None else np.asarray(sizes.rows, np.int64)
        given_N = np.zeros_like(lengths_N) if sizes.targets is None else np.asarray(sizes.targets, np.int64)
        targets_N = _climbed(given_N, None) if given_N.any() else given_N
        mixed = sizes.rows is not None or sizes.targets is not None
        return cls(widths_N, rows_N, targets_N, rows_N * widths_N + targets_N, rows_N * lengths_N + given_N, mixed)

    def falling(self, rng: np.random.Generator | None) -> NDArray[np.int64]:
        """The largest first; those that cost the same in every respect in any order, or by what they cost unpadded.

        Any two orders differ in which of several equal examples comes first, so they are cut into as many batches.
        """
        if rng is None:
            return np.lexsort((-self.exact, *self._kinds()))
        shuffled = rng.permutation(len(self.padded))
        return shuffled[np.lexsort(tuple(kind[shuffled] for kind in self._kinds()))]

    def _kinds(self) -> tuple[NDArray[np.int64], ...]:
        return (-self.rows, -self.widths, -self.padded) if self.mixed else (-self.padded,)

    def together(self, chosen: NDArray[np.int64]) -> int:
        """Tokens of a batch of these."""
        rows = int(self.rows[chosen].sum()) * int(self.widths[chosen].max())
        return rows + len(chosen) * int(self.targets[chosen].max())

    def fitting(self, chosen: NDArray[np.int64], tokens: int) -> int:
        """How many of the first of these fit; one at least."""
        rows = np.cumsum(self.rows[chosen]) * np.maximum.accumulate(self.widths[chosen])
        together = rows + np.arange(1, len(chosen) + 1) * np.maximum.accumulate(self.targets[chosen])
        return max(1, int(np.searchsorted(together, tokens, "right")))


def _climbed(lengths_N: NDArray[np.int64], longest: int | None) -> NDArray[np.int64]:
    """The step of the ladder that each length is padded to; none exceeds `longest`, or else the longest of them."""
    most = int(lengths_N.max())
    ladder = _ladder(min(longest, most + 64) if longest else most)
    return ladder[np.searchsorted(ladder, lengths_N)]


def few_shapes(piece: Slice, tokens: int, longest: int) -> tuple[int, int]:
    """How many examples a batch of `plan` is to have, and how wide, so that there are few shapes whatever is asked.

    What a processor's kernels prepare for a shape they keep: some 1.5 MB of MiniLM in bfloat16, 1.6 GB after 1,400
    calls of mixed sizes. Full batches have a shape a width; of smaller ones both sides are rounded up to 2^n or
    1.5 * 2^n, the width to `longest` at most. `tokens` is that of the plan.
    """
    count = len(piece.examples)
    if count >= _examples(tokens, -(-piece.tokens // count)):
        return count, piece.width
    return _rounded(count), max(piece.width, min(_rounded(max(8, piece.width)), longest))


def rounded_count(count: int) -> int:
    """A number of positions, a step of the ladder that widths climb."""
    ladder = _ladder(count + 64)
    return int(ladder[np.searchsorted(ladder, count)]) if count else 0


def _rounded(size: int) -> int:
    power = 1 << (size - 1).bit_length()
    return power // 4 * 3 if power >= 4 and size <= power // 4 * 3 else power


def pad(rows: Sequence[NDArray[np.integer]], width: int, value: int) -> Tensor:
    """Rows of different lengths as one int64 tensor (B, width), `value` to the right of each."""
    padded = np.full((len(rows), width), value, np.int64)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return torch.from_numpy(padded)


def _examples(tokens: int, each: int) -> int:
    """A multiple of 4 where there is room: with 4 distinct shapes, memory stayed flat (60 steps, 2026-11)."""
    count = tokens // each
    return count - count % 4 if count >= 4 else max(count, 1)


def _ladder(longest: int) -> NDArray[np.int64]:
    """Widths up to the longest row: even ones to 32, then four an octave, in steps of at most 64.

    Phrases of SST-2 (13 tokens on average) are padded by 7 %; a ladder of multiples of 8 padded them by 27 %.
    """
    steps = [*range(2, 32, 2), *range(32, 64, 8), *range(64, 128, 16), *range(128, 256, 32)]
    steps += range(256, longest + 64, 64)
    return np.unique(np.minimum(np.array(steps, np.int64), longest))
