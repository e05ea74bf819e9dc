"""The groups of micro-batches that the loop takes, made in a thread of their own while the device works."""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from queue import Empty, Full, Queue

import numpy as np
import torch
from numpy.typing import NDArray

from danlu.machine.crew import compute_with
from danlu.machine.seed import generator
from danlu.text.batching.batch import Batch, Slice
from danlu.text.batching.encoded import Encoded, Sizes, sizes_of
from danlu.text.batching.reader import Reader
from danlu.text.batching.stored_rows import StoredRows, groups_of
from danlu.train.dealing import dealt

Collate = Callable[[list[Encoded], int, np.random.Generator], Batch]

AHEAD = 4  # groups that wait ready


@dataclass(frozen=True)
class Batches:
    """All that the order and content of the groups depend on; a group is a pure function of this and its number.

    - `encoded`: a list, or rows that are read from shards as they are asked for.
    - `parts`: how many replicas share a batch.
    - `along`: `collate` of the step of a number, where it changes along the training.
    - `sizes`: what each row costs once it is collated.
    - `rank`, `ranks`: which of how many processes this is; the parts of a group are dealt out to them in turn.
    """

    encoded: Sequence[Encoded]
    collate: Collate
    seed: int
    tokens: int
    examples: int | None
    accumulate: int
    parts: int
    along: Callable[[int], Collate] | None = None
    sizes: Callable[[Sequence[Encoded]], Sizes] = sizes_of
    rank: int = 0
    ranks: int = 1

    def an_epoch(self) -> int:
        """Groups in one pass over the data."""
        return self.reader.an_epoch(self.accumulate)

    def groups(self, start: int, stop: int, device: torch.device, offset: int = 0) -> Generator[list[Batch]]:
        """Groups number `start` to `stop`, each ready before it is asked for; `offset` of them were left out before."""
        ready: Queue[list[Batch] | BaseException] = Queue(AHEAD)
        done = threading.Event()

        def put(item: list[Batch] | BaseException) -> None:
            while not done.is_set():
                with suppress(Full):
                    ready.put(item, timeout=0.1)
                    return

        def prepare() -> None:
            try:
                compute_with(1)
                for group in self._made(start, stop, device, offset):
                    put(group)
                    if done.is_set():
                        return
            except BaseException as error:
                put(error)

        if isinstance(self.encoded, StoredRows):
            self.encoded.until(done)
        thread = threading.Thread(target=prepare, daemon=True)
        thread.start()
        try:
            for _ in range(start, stop):
                item = _next(ready, thread)
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            done.set()
            thread.join()
            if isinstance(self.encoded, StoredRows):
                self.encoded.until(threading.Event())  # who reads a row by itself waits for it

    @cached_property
    def reader(self) -> Reader:
        """Which rows make which batch."""
        groups = groups_of(self.encoded)
        return Reader(self.sizes(self.encoded), self.seed, tokens=self.tokens, examples=self.examples, groups=groups)

    def plan(self, epoch: int) -> list[Slice]:
        """The batches of an epoch, in order."""
        size = self.reader.an_epoch()
        return [piece for step in range(epoch * size, (epoch + 1) * size) for piece in self.reader.step(step)]

    def _made(self, start: int, stop: int, device: torch.device, offset: int) -> Iterator[list[Batch]]:
        streamed = self.encoded if groups_of(self.encoded) else None
        near: tuple[int, ...] = ()
        for number in range(start, stop):
            if isinstance(streamed, StoredRows) and near != (near := self.reader.near(number, self.accumulate, stop)):
                streamed.near(near)
            pieces = self.reader.step(number, self.accumulate)
            yield [*dealt(self._jobs(pieces, number, device, offset), self.rank, self.ranks)]

    def micro_batches(self, piece: Slice, keys: tuple[int, int], device: torch.device) -> Iterator[Batch]:
        """A planned batch in as many parts as there are replicas; `keys` are the numbers of its group and within it."""
        for job in self._parts(piece, keys, device, 0):
            yield job()

    def _jobs(
        self, pieces: Sequence[Slice], number: int, device: torch.device, offset: int
    ) -> list[Callable[[], Batch]]:
        """What makes each batch of a group."""
        return [job for i, piece in enumerate(pieces) for job in self._parts(piece, (number, i), device, offset)]

    def _parts(
        self, piece: Slice, keys: tuple[int, int], device: torch.device, offset: int
    ) -> Iterator[Callable[[], Batch]]:
        for part, examples in enumerate(np.array_split(piece.examples, self.parts)):
            if len(examples):
                yield partial(self._part, examples, piece.width, (*keys, part), device, offset)

    def _part(
        self, examples: NDArray[np.int64], width: int, keys: tuple[int, ...], device: torch.device, offset: int
    ) -> Batch:
        rng = generator(self.seed, "collate", *keys)
        collate = self.along(keys[0] - offset) if self.along else self.collate
        batch = collate([self.encoded[example] for example in examples], width, rng)
        return replace(batch, examples=examples).to(device)


def _next(ready: Queue[list[Batch] | BaseException], thread: threading.Thread) -> list[Batch] | BaseException:
    while True:
        try:
            return ready.get(timeout=1.0)
        except Empty:
            assert thread.is_alive() or not ready.empty(), "the thread that prepares batches has ended"
