"""One thread that writes the texts of all callers side by side, with all cores.

A step reads all weights, however many rows it goes on with; so what several callers ask is written together, and each
text joins when there is room and leaves when it is done.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from danlu.engine.desk import Desk, Job
from danlu.engine.engine import Network
from danlu.machine.crew import compute_with, let_go_of_cores
from danlu.model.generate import Session, Wanted
from danlu.model.policy import Policy
from danlu.model.written import Written
from danlu.refusal import Refusal
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer

CLOSING = 20.0
"""Seconds that a closing waits for the step under way; the thread ends with the process, whatever it does."""


@dataclass(eq=False)
class _Job(Job[list[Written]]):
    """What one caller asks: who is to write, how, after what, and who hears it piece by piece."""

    network: Network
    tokenizer: Tokenizer
    policy: Policy
    examples: Sequence[Encoded]
    heard: Callable[[int, str], object] | None
    first: int
    likeliest: int | None = None


class Writer(Desk[_Job]):
    """Writes after prompts; `submit` may be called from any thread."""

    def __init__(self, cores: int) -> None:
        super().__init__()
        self.cores = cores
        self._under_way: dict[tuple[Network, Tokenizer], tuple[Session, list[_Job]]] = {}
        self._thread: threading.Thread | None = None

    def submit(
        self,
        network: Network,
        tokenizer: Tokenizer,
        policy: Policy,
        examples: Sequence[Encoded],
        take: Callable[[int, str], object] | None = None,
        first: int = 0,
        likeliest: int | None = None,
    ) -> "Future[list[list[Written]]]":
        """What is written after each example, in order, once all is; cancelled, the rest is not.

        `first` is how many examples were asked before these. `take` hears the text piece by piece, where there is one
        example, after which one text is written. With `likeliest`, see `Wanted`.

        Raises:
            Refusal: the writer was closed.
        """
        let_go_of_cores()  # of the thread that asks, which may have computed while it opened the bundle
        job = _Job(network, tokenizer, policy, examples, take, first, likeliest, size=len(examples))
        self.admit(job)
        return job.future

    def close(self) -> None:
        """End the thread; who still waits is refused."""
        with self._state:
            self._closed = True
            self._state.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(CLOSING)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="danlu-writer", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        compute_with(self.cores)
        while self._begin():
            for key, (session, jobs) in list(self._under_way.items()):
                try:
                    session.step()
                except BaseException as error:
                    self._drop(key, jobs, error)
                    continue
                if not session.busy:  # what it has read is of weights that may be trained until it is asked again
                    del self._under_way[key]
        left = [*self._waiting, *(job for _, jobs in self._under_way.values() for job in jobs)]
        self._under_way = {}
        for job in left:
            job.fail(Refusal("this bundle was closed before it had answered"))

    def _begin(self) -> bool:
        """Let what waits join; False when it is over."""
        if not (self._waiting or self._under_way):
            let_go_of_cores()  # others compute while nothing is written, such as the training that asks now and then
        with self._state:
            while not (self._waiting or self._under_way or self._closed):
                self._state.wait()
            if self._closed:
                return False
            jobs, self._waiting = self._waiting, []
        for job in jobs:
            try:
                self._ask(job)
            except BaseException as error:
                job.fail(error)
        return True

    def _ask(self, job: _Job) -> None:
        key = job.network, job.tokenizer
        session, jobs = self._under_way.get(key) or (job.network.session(job.tokenizer), [])
        prompts = session.endings.prompts(job.examples)
        session.endings.of(prompts[0], job.policy)
        session.ask(
            Wanted(
                job.policy,
                prompts,
                job.take,
                job.heard,
                lambda: not job.future.done(),
                job.fail,
                job.first,
                job.likeliest,
            )
        )
        self._under_way[key] = session, [*(each for each in jobs if not each.future.done()), job]

    def _drop(self, key: tuple[Network, Tokenizer], jobs: Sequence[_Job], error: BaseException) -> None:
        del self._under_way[key]
        for job in jobs:
            job.fail(error)
