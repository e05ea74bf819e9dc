"""Threads of Python that each compute with one core.

The cores then do not wait for each other after every small operation; in training, where Python itself takes
more of the time, that may cost more than it gives (see `danlu.train.dealing.replicas_for`).
"""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Thread
from typing import TypeVar

import torch

from danlu.refusal import Refusal

Result = TypeVar("Result")


def compute_with(cores: int) -> None:
    """Let the calling thread compute with so many cores, and no other thread.

    `torch.set_num_threads` decides for the calling thread and for all that are born later, those of a program that
    uses us included.
    """
    every = torch.get_num_threads()  # a thread takes over the common number when it first asks, so before ours
    of_this_thread = _of_this_thread()
    if "omp_set_num_threads" in of_this_thread:
        of_this_thread["omp_set_num_threads"](cores)
        if limit := of_this_thread.get(_MKL):
            limit(0 if cores > 1 else 1)  # 0: as many as OpenMP says
        return
    torch.set_num_threads(cores)
    other = Thread(target=torch.set_num_threads, args=(every,))  # who calls it sets the common number again
    other.start()
    other.join()


def let_go_of_cores() -> None:
    """End the threads of OpenMP that wait to compute with the calling one; its next computation begins them anew.

    While two threads have such, libgomp takes the cores for overbooked and lets who waits fall asleep after every small
    operation: a step of writing takes 1.1 to 1.3 times as long on 2 cores, one of training 1.1 to 1.5 times (2026-11).
    """
    if pause := _of_this_thread().get(_PAUSE):
        pause(1)  # omp_pause_soft: what threads know stays


@contextmanager
def on_one_core() -> Iterator[None]:
    """Within the block the calling thread computes with one core, so that sums have the same bits whatever it had."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    compute_with(1)
    try:
        yield
    finally:
        compute_with(before)


_MKL = "MKL_Set_Num_Threads_Local"
_PAUSE = "omp_pause_resource_all"


@cache
def _of_this_thread() -> dict[str, Callable[[int], object]]:
    """What OpenMP and MKL have to change one thread alone, by name; nothing where torch does not show them."""
    for file in (Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*"):
        library = ctypes.CDLL(str(file))
        names = ("omp_set_num_threads", _MKL, _PAUSE)
        return {name: getattr(library, name) for name in names if hasattr(library, name)}
    return {}


MOST = 256
"""Threads: each has a copy of a model's modules, and no machine of ours more cores."""


def refuse_crowd(threads: int | None, what: str) -> None:
    """Raise `Refusal` for a number of threads that nobody can mean; `what` is how it was given."""
    if threads is not None and not 1 <= threads <= MOST:
        raise Refusal(
            f"{what} {threads:,}: expected 1 to {MOST} threads; this machine computes with {torch.get_num_threads()}, "
            "and more make nothing faster"
        )


class Crew:
    """A few threads that run one function each; an exception in one is raised to the caller."""

    def __init__(self, size: int) -> None:
        """Start `size` threads, of one intra-op core each if there are several."""
        self.size = size
        self._pool = ThreadPoolExecutor(size, initializer=compute_with, initargs=(1,)) if size > 1 else None

    def run(self, jobs: Sequence[Callable[[], Result]]) -> list[Result]:
        """Run the jobs side by side and return their results in order."""
        if self._pool is None:
            return [job() for job in jobs]
        return [future.result() for future in [self._pool.submit(job) for job in jobs]]

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
