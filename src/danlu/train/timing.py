"""Where the time of a training goes: computing, waiting for data, the optimizer, padding."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from danlu.text.batching.batch import Batch

if TYPE_CHECKING:
    from danlu.train.loop import Step

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Spent:
    """What a step took beside computing its gradients.

    - `waiting`: seconds until its batches were ready, before the step.
    - `moving`: seconds of it that went into norm, clipping, the optimizer and new weights. Where an accelerator is
      asked and not waited for, those until it was asked.
    - `places`: tokens that were computed, padding included.
    """

    waiting: float
    moving: float
    places: int


class Waited(Iterable[Item]):
    """Items as they come, and for how long the last one was waited for."""

    def __init__(self, items: Iterable[Item]) -> None:
        """Nothing was waited for yet."""
        self._items = items
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Item]:
        """Each item."""
        begun = time.perf_counter()
        for item in self._items:
            self.seconds = time.perf_counter() - begun
            yield item
            begun = time.perf_counter()


def places(group: Sequence[Batch]) -> int:
    """Tokens of the inputs, padding included; of a batch that has no token numbers those that it names."""
    found = (
        sum(value.numel() for name, value in batch.inputs.items() if name.endswith("input_ids")) for batch in group
    )
    return sum(count or batch.tokens for count, batch in zip(found, group, strict=True))


def shares(steps: Sequence["Step"]) -> dict[str, float]:
    """Of the tokens those that are padding; of the time that of waiting for data, and that of the optimizer."""
    waited, moved = (sum(getattr(step.spent, name) for step in steps) for name in ("waiting", "moving"))
    whole = max(1e-9, waited + sum(step.seconds for step in steps))
    computed = max(1, sum(step.spent.places for step in steps))
    return {
        "padding": round(max(0.0, 1 - sum(step.tokens for step in steps) / computed), 4),
        "data_wait": round(waited / whole, 4),
        "optimizer": round(moved / whole, 4),
    }
