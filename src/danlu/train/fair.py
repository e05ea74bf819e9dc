"""Training on a busy machine: one core does the work of several while other programs hold them.

The cores of one step wait for each other after every small operation, and beside other programs each of these waits
takes milliseconds: with 8 programs on 2 cores a training fell to a fiftieth. One core never waits. So where the thread
that trains is kept from its processor, the gradients are computed on one core, and on all of them again when there is
room. It gives the same bits (`danlu.model.steady`): for each shape of batch that is compared the first time, and where
one digit differs, all cores go on.
"""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from danlu.machine.crew import compute_with
from danlu.model.steady import standing_in_for
from danlu.text.batching.batch import Batch, rounded_count

Gradients = tuple[dict[str, float], tuple[Tensor | None, ...]]
Job = Callable[[], Gradients]
Result = TypeVar("Result")

BUSY, CALM = 0.6, 0.85
"""Share of a step in which the thread that trains has a processor: below it falls back, above it returns."""

SHORTEST, LONGEST = 5.0, 300.0  # seconds until another way is tried, doubled each time it is no better


class FairCores:
    """Chooses step by step with how many cores the calling thread computes gradients; the bits are the same."""

    def __init__(
        self,
        cores: int,
        wall: Callable[[], float] = time.perf_counter,
        processor: Callable[[], float] = time.thread_time,
    ) -> None:
        """With `cores` cores at best; the clocks tell the time, and the processor time of the calling thread."""
        self.cores, self._wall, self._processor = cores, wall, processor
        self.alone = False
        self._same: dict[Hashable, bool] = {}
        self._patience = SHORTEST
        self._again = 0.0
        self._hindered = 0

    def run(self, job: Job, shape: Hashable) -> Gradients:
        """What the job gives, which may be run twice and must give the same; `shape` is that of its batch."""
        if self.cores == 1:
            return job()
        if not self.alone or self._wall() >= self._again:
            return self._on_all(job)
        if shape not in self._same:
            return self._compared(job, shape)
        return self._on_one(job) if self._same[shape] else job()

    @contextmanager
    def exactly(self) -> Iterator[None]:
        """For copies, single additions and multiplications, which have the same bits on any number of cores."""
        if self.alone:
            compute_with(1)
        try:
            yield
        finally:
            if self.alone:
                compute_with(self.cores)

    def _on_all(self, job: Job) -> Gradients:
        result, seconds, share = self._timed(job)
        self._hindered = self._hindered + 1 if share < BUSY else 0
        if self.alone and share >= CALM:
            self.alone, self._patience = False, SHORTEST
        elif self.alone:
            self._wait(seconds)
        elif self._hindered > 1 and self._wall() >= self._again:
            self.alone = True
            self._again = self._wall() + self._patience
        return result

    def _compared(self, job: Job, shape: Hashable) -> Gradients:
        result, on_all, _ = self._timed(job)
        other, on_one, _ = self._timed(lambda: self._on_one(job))
        self._same[shape] = _equal(result, other)
        if on_one > on_all:  # many cores, of which only some are held
            self.alone = False
            del self._same[shape]
        self._wait(on_all + on_one)
        return result

    def _wait(self, seconds: float) -> None:
        """Put off the next attempt, so that attempts of so many seconds take a tenth of the time at most."""
        self._patience = min(2 * self._patience, LONGEST)
        self._again = self._wall() + max(self._patience, 10 * seconds)

    def _on_one(self, job: Job) -> Gradients:
        compute_with(1)
        try:
            with standing_in_for(self.cores):
                return job()
        finally:
            compute_with(self.cores)

    def _timed(self, job: Callable[[], Result]) -> tuple[Result, float, float]:
        """The result, the seconds it took, and the share of them in which this thread had a processor."""
        wall, processor = self._wall(), self._processor()
        result = job()
        seconds = max(self._wall() - wall, 1e-9)
        return result, seconds, (self._processor() - processor) / seconds


def _equal(one: Gradients, other: Gradients) -> bool:
    return one[0] == other[0] and all(map(_same_bits, one[1], other[1]))


def _same_bits(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return torch.equal(*(tensor.coalesce().to_dense() if tensor.is_sparse else tensor for tensor in (one, other)))


FEW = 64
"""Places from which a product is of one of few sizes, see `rounded_count`; one of 5 to 11 rows has other last digits on
one core than on two (2026-11)."""


def shape_of(batch: Batch) -> Hashable:
    """What decides how a batch's work is dealt out to the cores: what is read, and how many places have a loss."""
    counts = {name: int(count) for name, count in batch.counts.items()}
    return (
        tuple((name, tuple(tensor.shape)) for name, tensor in sorted(batch.inputs.items())),
        tuple((name, count if count < FEW else rounded_count(count)) for name, count in sorted(counts.items())),
    )
