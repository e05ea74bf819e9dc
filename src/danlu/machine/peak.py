"""How much memory something takes: the most that the process holds meanwhile, and what the machine has left."""

import threading
from types import TracebackType
from typing import Self

import psutil
import torch

from danlu.machine.memory import free_memory

EVERY = 0.005  # seconds between two looks


class Peak:
    """While it is entered, watches the memory of the device that computes.

    `bytes` is the most that this process held, libraries included; on an accelerator, what torch had allocated there.
    """

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.bytes = 0
        self._process = psutil.Process()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self._look()
        if torch.cuda.is_available():
            self.bytes = torch.cuda.max_memory_allocated()

    def so_far(self) -> int:
        """The most that was held until now."""
        self._look()
        return int(torch.cuda.max_memory_allocated()) if torch.cuda.is_available() else self.bytes

    def _watch(self) -> None:
        while not self._done.wait(EVERY):
            self._look()

    def _look(self) -> None:
        self.bytes = max(self.bytes, self._process.memory_info().rss)


def room() -> int:
    """Bytes that this process may hold: what it has and what is free; of an accelerator all."""
    if torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(0).total_memory)
    return int(max(0.0, free_memory()) + psutil.Process().memory_info().rss)
