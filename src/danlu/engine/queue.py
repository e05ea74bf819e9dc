"""One queue before a network: what several callers ask is answered in common batches, by threads of one core each.

What waits when a thread is free is planned together, so that many small questions fill batches. A plan that is under
way is not disturbed; plans take turns batch by batch, so that a small question waits for one batch of each large one,
and however many small ones come, the large ones go on.
"""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import torch

from danlu.engine.desk import Desk, Job
from danlu.engine.engine import Network
from danlu.engine.writer import Writer
from danlu.machine.crew import compute_with
from danlu.machine.seed import generator
from danlu.refusal import Refusal
from danlu.task.task import Output, Task
from danlu.text.batching.batch import few_shapes, plan
from danlu.text.batching.encoded import Encoded, sizes_of
from danlu.text.tokenizing.tokenizer import Tokenizer

BATCH_TOKENS = {True: 1024, False: 16384}
"""By whether the device is a CPU, whose cache larger batches leave: MiniLM in bfloat16, 872 phrases on 2 cores:
435 a second with 1,024, 383 with 4,096, 306 with 8,192 (2026-11)."""

CLOSED = "this bundle was closed before it had answered"


@dataclass(eq=False)
class Asked:
    """Who is to answer: a network, and the task by which it is asked. Examples for one of them alone share a batch.

    - `company_tells`: whether padding changes its answers; None while that is not known.
    """

    network: Network
    task: Task
    tokenizer: Tokenizer
    company_tells: bool | None = None
    _trying: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def outputs(self, examples: Sequence[Encoded], width: int) -> list[Output]:
        """The output of each example of a batch that is `width` tokens wide."""
        batch = self.task.collate(examples, width, self.tokenizer, generator("predict", 0)).to(self.network.device)
        return self.task.outputs(self.network.forward(self.task, batch), batch)

    def reads_padding(self, examples: Sequence[Encoded]) -> bool:
        """Whether padding changes an answer, tried once on some rows: so it is where a family mixes neighbours (FNet).

        Such rows are answered beside rows of their own length alone.
        """
        lengths = sorted({len(item) for item in examples})
        with self._trying:
            if self.company_tells is None and len(lengths) == 1:
                wide = min(lengths[0] + 8, self.network.limit)
                self.company_tells = self._padding_tells(examples[:1], wide) if wide > lengths[0] else None
            elif self.company_tells is None:
                tried = {lengths[0], lengths[(len(lengths) - 1) // 2], lengths[-2]}
                rows = {len(item): item for item in examples if len(item) in tried}
                self.company_tells = self._padding_tells([*rows.values()], min(2 * max(rows) + 8, lengths[-1]))
        return bool(self.company_tells)

    def _padding_tells(self, rows: Sequence[Encoded], width: int) -> bool:
        rounding = self.network.rounding
        for row, padded in zip(rows, self.outputs(rows, width), strict=True):
            (alone,) = self.outputs([row], len(row))
            if alone.shape == padded.shape and not (abs(padded - alone) <= rounding + rounding * abs(alone)).all():
                return True
        return False


@dataclass(eq=False)
class _Job(Job[Output]):
    """What one caller asks: who is asked, and after what."""

    asked: Asked
    encoded: Sequence[Encoded]


@dataclass(eq=False)
class _Piece:
    """A batch to be: which example of which caller, all of whom ask the same, and the shape it is padded to."""

    entries: list[tuple[_Job, int]]
    size: int
    width: int


class Queue(Desk[_Job]):
    """Answers examples in the order of plans; `submit` may be called from any thread."""

    def __init__(self, network: Network, batch_tokens: int | None = None) -> None:
        """Answer in batches of `batch_tokens` tokens; None: what is best for the device.

        There are as many threads as `network` has cores; whoever else is asked shares its weights, and these.
        """
        super().__init__()
        self.network = network
        self.writer = Writer(network.cores)
        self.batch_tokens = batch_tokens or BATCH_TOKENS[network.device.type == "cpu"]
        self._plans: deque[deque[_Piece]] = deque()
        self._threads: list[threading.Thread] = []

    def submit(self, asked: Asked, encoded: Sequence[Encoded]) -> "Future[list[Output]]":
        """The output of each example, in order, once they are computed; cancelled, the rest is not.

        Raises:
            Refusal: the queue was closed.
        """
        job = _Job(asked, encoded, size=len(encoded))
        self.admit(job)
        return job.future

    def close(self) -> None:
        """End the threads; who still waits is refused."""
        with self._state:
            self._closed = True
            left = [*self._waiting, *(job for pieces in self._plans for piece in pieces for job, _ in piece.entries)]
            self._waiting, self._plans = [], deque()
            self._state.notify_all()
        for job in left:
            job.fail(Refusal(CLOSED))
        self.writer.close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _start(self) -> None:
        for number in range(len(self._threads), self.network.cores):
            thread = threading.Thread(target=self._work, name=f"danlu-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        if self.network.device.type == "cpu":
            compute_with(1)
        with torch.inference_mode():
            while self._take_one():
                pass

    def _take_one(self) -> bool:
        """Answer the next batch; what of it nobody wants any more is left out. False when it is over."""
        piece = self._next()
        if piece is None:
            return False
        entries = [(job, number) for job, number in piece.entries if not job.future.done()]
        if entries:
            self._answer(entries, piece)
        return True

    def _next(self) -> _Piece | None:
        """The next batch; None when it is over."""
        while True:
            with self._state:
                while not (self._closed or self._waiting or self._plans):
                    self._state.wait()
                if self._closed:
                    return None
                if not self._waiting:
                    pieces = self._plans.popleft()
                    piece = pieces.popleft()
                    if pieces:
                        self._plans.append(pieces)
                    return piece
                jobs, self._waiting = self._waiting, []
            plans = []  # made without the lock, as the network may be asked, and whoever submits is not to wait
            for asked in dict.fromkeys(job.asked for job in jobs):
                plans += self._planned(asked, [job for job in jobs if job.asked is asked])
            self._add(plans, jobs)

    def _add(self, plans: Sequence[deque[_Piece]], jobs: Sequence[_Job]) -> None:
        with self._state:
            closed = self._closed
            self._plans += () if closed else plans
            self._state.notify_all()
        for job in jobs if closed else ():
            job.fail(Refusal(CLOSED))

    def _planned(self, asked: Asked, jobs: list[_Job]) -> list[deque[_Piece]]:
        """A plan of what several callers ask; where that fails, of each by itself, so that nobody pays for another."""
        try:
            entries = [(job, number) for job in jobs for number in range(len(job.encoded))]
            examples = [job.encoded[number] for job, number in entries]
            padded = not asked.reads_padding(examples)
            limit = asked.network.limit
            pieces = deque[_Piece]()
            for each in plan(sizes_of(examples), tokens=self.batch_tokens, longest=limit, padded=padded):
                size, width = few_shapes(each, self.batch_tokens, limit if padded else each.width)
                pieces.append(_Piece([entries[place] for place in each.examples], size, width))
        except BaseException as error:
            if len(jobs) > 1:
                return [found for job in jobs for found in self._planned(asked, [job])]
            jobs[0].fail(error)
            return []
        return [pieces]

    def _answer(self, entries: list[tuple[_Job, int]], piece: _Piece) -> None:
        """Answer a batch; where that fails, each caller's part of it by itself, so that nobody pays for another."""
        chosen = [job.encoded[number] for job, number in entries]
        chosen += chosen[-1:] * (piece.size - len(chosen))
        jobs = dict.fromkeys(job for job, _ in entries)
        try:
            found = entries[0][0].asked.outputs(chosen, piece.width)
        except BaseException as error:
            for job in jobs:
                if len(jobs) == 1:
                    job.fail(error)
                else:
                    self._answer([entry for entry in entries if entry[0] is job], piece)
            return
        for (job, number), output in zip(entries, found, strict=False):
            job.take(number, output)
