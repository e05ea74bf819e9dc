"""Threads of Python that each compute with one core.

The cores then do not wait for each other after every small operation; in training, where Python itself takes
more of the time, that may cost more than it gives (see `danlu.train.run.replicas_for`).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Result = TypeVar("Result")


class Crew:
    """A few threads that run one function each; an exception in one is raised to the caller."""

    def __init__(self, size: int) -> None:
        """Start `size` threads, of one intra-op core each if there are several."""
        self.size = size
        self._pool = ThreadPoolExecutor(size, initializer=torch.set_num_threads, initargs=(1,)) if size > 1 else None

    def run(self, jobs: Sequence[Callable[[], Result]]) -> list[Result]:
        """Run the jobs side by side and return their results in order."""
        if self._pool is None:
            return [job() for job in jobs]
        return [future.result() for future in [self._pool.submit(job) for job in jobs]]

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
