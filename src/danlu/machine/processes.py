"""Several processes of one command on this machine, started and watched: where one ends, the others do."""

import math
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from danlu.machine.ended import ENDED
from danlu.refusal import Refusal

MOST = 256  # processes: no machine of ours has more GPUs, or cores
LOOK = 0.1  # seconds between two looks at the processes
GRACE = 25.0  # seconds in which the others may end by themselves, saying why


def start(count: int, words: Sequence[str], say: Callable[[str], None]) -> int:
    """Run `danlu WORDS` in so many processes that know each other, and give the exit status of them all.

    Raises:
        Refusal: one of them was killed, or more are wanted than anybody can mean.
    """
    if not 1 <= count <= MOST:
        raise Refusal(f"--processes {count:,}: expected 1 to {MOST}, one for each GPU, or for a few cores each")
    started = "1 process" if count == 1 else f"{count} processes"
    say(f"{started} on this machine; for several machines, on each of them: {several_machines(count, words)}")
    port = os.environ.get("MASTER_PORT") or free_port()
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, _cores() // count))
    common = {
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "OMP_NUM_THREADS": threads,
    } | _loopback()
    command = [sys.executable, "-m", "danlu", *words]
    processes = [
        subprocess.Popen(command, env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)})  # noqa: S603
        for rank in range(count)
    ]
    return _watched(processes)


def several_machines(count: int, words: Sequence[str]) -> str:
    """The command that does the same on several machines of so many processes each."""
    return (
        f"torchrun --nnodes MACHINES --nproc-per-node {count} --rdzv-backend c10d --rdzv-endpoint FIRST_MACHINE:29500 "
        f"-m danlu {shlex.join(words)}"
    )


def _watched(processes: Sequence["subprocess.Popen[bytes]"]) -> int:
    """Wait until all have ended; once one has failed, the others are given a while and then ended.

    Raises:
        Refusal: this process was told to end, and they were.
    """
    ended: dict[int, int] = {}
    deadline, asked = math.inf, False
    with _heard() as told:
        try:
            while len(ended) < len(processes):
                for rank, process in enumerate(processes):
                    status = process.poll()
                    if status is not None and rank not in ended:
                        ended[rank] = status if not asked else ENDED
                        deadline = min(deadline, time.monotonic() + GRACE) if status else deadline
                if time.monotonic() > deadline or (told and not asked):
                    for process in processes:
                        (process.kill if asked else process.terminate)()
                    asked, deadline = True, time.monotonic() + 5.0
                time.sleep(LOOK)
        finally:
            for process in processes:
                process.kill()
                process.wait()
    if told:
        raise Refusal(
            f"ended by {signal.Signals(told[0]).name}, and so were all its processes; the same command goes on from "
            "the last checkpoint"
        )
    return judged(ended)


@contextmanager
def _heard() -> Iterator[list[int]]:
    """The signals to end that come to this process alone within the block, as of `kill`, `timeout` or a service.

    Ctrl-C goes to all of its group, and is left to the first of the processes; what is ignored stays so (`nohup`).
    """
    told: list[int] = []
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")):
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, lambda number, _frame: told.append(number))
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def judged(ended: dict[int, int]) -> int:
    """The exit status of all: that of the first that has ended for its own sake."""
    failed = {rank: status for rank, status in ended.items() if status}
    own = {rank: status for rank, status in failed.items() if status != ENDED}
    for rank, status in own.items():
        if status < 0:
            raise Refusal(
                f"rank {rank} was ended by {signal.Signals(-status).name}, and so the others were ended as well; the "
                "same command goes on from the last checkpoint"
            )
        return status
    return ENDED if failed else 0


def _loopback() -> dict[str, str]:
    """What keeps processes of one machine off its network, and from asking how this machine is called."""
    names = {name for _, name in socket.if_nameindex()} if hasattr(socket, "if_nameindex") else set()
    found = next((name for name in ("lo", "lo0") if name in names), None)
    return {"GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", found)} if found else {}


def free_port() -> str:
    """A port of this machine that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
