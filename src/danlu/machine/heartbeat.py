"""Which of several processes has ended, or hangs: each counts in their common store, and looks at the others.

A process that is killed closes its connections, so the sums of the others fail at once, and none of them knows who it
was; one whose machine is cut off closes nothing. The first rank looks at all, and all others at the first.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from danlu.machine.ended import ENDED
from danlu.machine.terminal import say

PERIOD = 1.0  # seconds between two beats
SILENT = 45.0  # seconds without a beat after which a rank counts as ended, though nothing has failed
BROKEN = 6.0  # the same once a connection has failed


class Heartbeat:
    """A thread that beats for this process and listens for others."""

    def __init__(
        self, store: Any, rank: int, count: int, period: float = PERIOD, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin to beat in `store`, a connection that nobody else uses."""
        self.store, self.rank, self.count, self.period, self._clock = store, rank, count, period, clock
        watched = range(1, count) if rank == 0 else (0,)
        self.heard = dict.fromkeys(watched, (b"", clock()))  # all have joined; one may end before its first beat
        self._store_gone = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._done.set()
        self._thread.join(timeout=2 * self.period)

    def lost(self) -> str:
        """Who has ended, in words; called once a connection has failed."""
        deadline = time.monotonic() + 2 * BROKEN
        while time.monotonic() < deadline:
            found = self._silent(BROKEN)
            if found is not None:
                return f"rank {found} has ended"
            time.sleep(self.period / 4)
        return "another rank has ended"

    def _beat(self) -> None:
        number = 0
        while not self._done.wait(self.period):
            number += 1
            try:
                self.store.set(f"beat/{self.rank}", str(number))
                self._listen()
            except RuntimeError:  # the first rank holds the store
                self._store_gone = True
            silent = self._silent(SILENT)
            if silent is not None and not self._store_gone and not self._done.is_set():
                say(
                    f"danlu: rank {self.rank}: rank {silent} has not been heard of for {SILENT:g} s, so this one ends; "
                    "the same command goes on from the last checkpoint",
                    err=True,
                )
                self._tell(silent)
                os._exit(ENDED)

    def _listen(self) -> None:
        now = self._clock()
        for other, (before, _) in self.heard.items():
            key = f"beat/{other}"
            if self.store.check([key]):
                number = self.store.get(key)
                if number != before:
                    self.heard[other] = number, now

    def _silent(self, seconds: float) -> int | None:
        """A rank that has not beaten for so long."""
        if self._store_gone:
            return 0
        now = self._clock()
        silent = [other for other, (_, heard) in self.heard.items() if now - heard > seconds]
        if silent:
            self._tell(silent[0])
            return silent[0]
        with suppress(RuntimeError):
            if self.rank and self.store.check(["ended"]):
                return int(self.store.get("ended"))
        return None

    def _tell(self, silent: int) -> None:
        with suppress(RuntimeError):
            if self.rank == 0:
                self.store.set("ended", str(silent))
