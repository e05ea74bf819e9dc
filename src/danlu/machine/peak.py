"""How much memory something takes: the most that the process holds meanwhile, and what the machine has left."""

import resource
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import torch

_STATM = Path("/proc/self/statm")
_MEMINFO = Path("/proc/meminfo")
EVERY = 0.005  # seconds between two looks


class Peak:
    """While it is entered, watches the memory of the device that computes.

    `bytes` is the most that this process held, libraries included; on an accelerator, what torch had allocated there.
    Where the process cannot be watched (no /proc), it is the most since the process began.
    """

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.bytes = 0
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

    def _watch(self) -> None:
        while not self._done.wait(EVERY):
            self._look()

    def _look(self) -> None:
        self.bytes = max(self.bytes, _resident())


def _resident() -> int:
    """Bytes of memory that this process holds now."""
    if _STATM.is_file():
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def room() -> int | None:
    """Bytes that this process may hold: what it has and what is free; of an accelerator all. None if unknown."""
    if torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(0).total_memory)
    if not _MEMINFO.is_file():
        return None
    told = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines() if ":" in line)
    return int(told["MemAvailable"].split()[0]) * 1024 + _resident()
