"""A process that opens doors, and what watches it: an input ends in a result or a sentence, in time and memory.

`Watched.open(door, seed)` asks the process for one damaged input and gives what became of it. A process that hangs,
grows or dies is told as that, and the next input gets a fresh one.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

SECONDS = 10.0
"""Of computing that one input may take; a busy machine may take longer for it."""

BYTES = 2**30
"""Of memory that the process may hold."""

GOOD = ("result", "refused")
"""How an input may end."""


@dataclass(frozen=True)
class Ended:
    """What became of an input: how it ended, the sentence or traceback, and the seconds of computing."""

    door: str
    seed: int
    how: str
    detail: str
    seconds: float

    @property
    def good(self) -> bool:
        return self.how in GOOD


class Watched:
    """The process; started when the first input is asked for."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._prepared = set[str]()

    def open(self, door: str, seed: int) -> Ended:
        """Let the process open a door for the input of a seed."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([door, seed]).encode() + b"\n")
        if door not in self._prepared:
            self._prepared.add(door)
            process.stdout.readline()  # the door is made, in whatever time that takes
        begun, waited = _computed(process.pid), time.monotonic()
        while not select.select([process.stdout], [], [], 0.05)[0]:
            took, held = _computed(process.pid) - begun, _held(process.pid)
            if held > BYTES:
                return self._ended(door, seed, "memory", f"{held >> 20} MB", took)
            if took > SECONDS or time.monotonic() - waited > 20 * SECONDS:
                return self._ended(door, seed, "hang", _where(process), took)
        line = process.stdout.readline()
        took = _computed(process.pid) - begun
        if not line:
            code = process.wait()
            detail = signal.Signals(-code).name if code < 0 else f"exit {code}"
            return self._ended(door, seed, "died", detail, took)
        how, detail, peak = json.loads(line)
        if peak > BYTES:
            return self._ended(door, seed, "memory", f"{peak >> 20} MB", took)
        return Ended(door, seed, how, detail, took)

    def _start(self) -> None:
        self._prepared.clear()
        worker = Path(__file__).with_name("worker.py")
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "DANLU_LANGUAGE": "en"}
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", str(worker)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # a line that lay in a buffer would be waited for
            env=environment,
            start_new_session=True,
        )
        self._process.stdout.readline()  # type: ignore[union-attr]  # says that it is ready

    def _ended(self, door: str, seed: int, how: str, detail: str, seconds: float) -> Ended:
        self.close()
        return Ended(door, seed, how, detail, seconds)

    def close(self) -> None:
        """End the process, and those that it started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                with suppress(BrokenPipeError):
                    stream.close()  # type: ignore[union-attr]
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _computed(pid: int) -> float:
    """Seconds of computing of a process so far, its threads and ended children included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _held(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _where(process: "subprocess.Popen[bytes]") -> str:
    """What a hanging process was doing: it writes that into a file when it is asked to."""
    told = Path(f"/tmp/danlu-door-{process.pid}")
    process.send_signal(signal.SIGUSR1)
    time.sleep(0.5)
    found = told.read_text() if told.exists() else ""
    told.unlink(missing_ok=True)
    return found[-1500:]
