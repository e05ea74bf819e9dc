"""Ctrl-C that waits for a good moment."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

TOLD = b"\nstopping after this step; Ctrl-C again stops at once\n"


class Agreed(KeyboardInterrupt):
    """Ctrl-C that has waited for a good moment: all is saved, and other ranks know of it."""


@contextmanager
def noted_interrupts() -> Iterator[Callable[[], bool]]:
    """Within the block a first Ctrl-C is only noted, and a second one raises; gives what tells whether it was pressed.

    In threads, and where the program has its own way with Ctrl-C, everything stays as it is.
    """
    pressed = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield pressed.is_set
        return

    def note(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        pressed.set()
        os.write(2, TOLD)  # print could meet itself half way

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
