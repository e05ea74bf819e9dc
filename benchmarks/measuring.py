"""Measurements in fresh processes on a machine that is watched: what ran, what else ran, and the table of it."""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
QUIET_CORES = 0.1  # other processes may use so much of one core before a measurement is doubted


class Watch:
    """How much of the machine other processes have used while ours were measured, in cores."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.most = 0.0

    def look(self, seconds: float = 2.0) -> None:
        """Look at the machine while nothing of ours runs, and warn if it is not idle."""
        self._saw(psutil.cpu_percent(interval=seconds) / 100 * _cores(), "before the measurements")
        if threads := os.environ.get("OMP_NUM_THREADS"):
            say(f"warning: OMP_NUM_THREADS={threads} is set and limits what the others compute with; unset it")

    def fresh(self, script: str, job: dict[str, Any]) -> dict[str, Any]:
        """Run a script beside this file in a process of its own; the last line it prints is its result."""
        with self.beside(job.get("name", script)):
            done = subprocess.run(
                [sys.executable, str(HERE / script), json.dumps(job)],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"},
            )
        if done.returncode:
            sys.exit(f"{script} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result

    @contextmanager
    def beside(self, name: str) -> Iterator[None]:
        """See what others use while this process, or one that it waits for, is measured."""
        busy, own, begin = _busy_seconds(), _own_seconds(), time.perf_counter()
        yield
        others = _busy_seconds() - busy - (_own_seconds() - own)
        self._saw(max(0.0, others / (time.perf_counter() - begin)), f"during {name}")

    def verdict(self) -> str:
        """One sentence for the table."""
        told = f"Other processes used at most {self.most:.2f} of {_cores()} cores"
        return f"{told}." if self.most <= QUIET_CORES else f"**{told}: the machine was not idle, measure again.**"

    def _saw(self, used: float, when: str) -> None:
        self.most = max(self.most, used)
        if used > QUIET_CORES:
            say(f"warning: other processes used {used:.2f} cores {when}")


def machine() -> str:
    """Date, accelerator, cores and processor, and the versions that matter."""
    from importlib.metadata import version

    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_accelerator()}{_cores()} cores, {_processor()}, {memory:.0f} GiB, {packages}"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table."""
    lines = ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]
    return "\n".join(lines)


def spread(values: Sequence[float], scale: float = 100, digits: int = 2) -> str:
    """Mean and standard deviation; the mean alone for a single value."""
    mean = f"{statistics.mean(values) * scale:.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values) * scale:.{digits}f}"


def say(words: str) -> None:
    """A line for the person who watches; the tables alone go to standard output."""
    print(words, file=sys.stderr, flush=True)


def peak_memory() -> float:
    """The most memory this process has held so far, in MiB.

    `ru_maxrss` of a fresh process begins at that of its parent, so Linux is asked for the process itself.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 1024)


def _cores() -> int:
    return len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count() or 1


def _accelerator() -> str:
    import torch

    return f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _busy_seconds() -> float:
    """Seconds that all cores together have been at work, or were taken away by the host, since the start."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def _own_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
