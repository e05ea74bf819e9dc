"""SIGHUP from the first line of a server on: one that comes before it can be followed is kept, and ends nothing."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(eq=False)
class Hangups:
    """Takes the signal; `heard`: whether it has come."""

    heard: bool = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Keep it in mind."""
        self.heard = True


@contextmanager
def remembered() -> Iterator[Hangups]:
    """Within the block the signal is kept; a block within such a block shares what it keeps.

    Where there is no such signal, and in other threads than the first, which get none, nothing is kept.
    """
    number = getattr(signal, "SIGHUP", None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield Hangups()
        return
    before = signal.getsignal(number)
    hangups = before if isinstance(before, Hangups) else Hangups()
    signal.signal(number, hangups)
    try:
        yield hangups
    finally:
        signal.signal(number, signal.SIG_DFL if before is None else before)
