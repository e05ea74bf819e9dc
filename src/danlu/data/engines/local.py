"""Processes of this machine."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from pydantic import Field

from danlu.data.engine import Engine
from danlu.refusal import Refusal

Item = TypeVar("Item")
Result = TypeVar("Result")

_ALONE = 4
"""Items that are not worth starting processes for: half a second and 60 MB each (2026-11)."""

_SERVE = "import sys; from danlu.data.engines.local import serve; serve(sys.stdin.buffer.read())"


class Local(Engine):
    """Processes of this machine; data of a few chunks is worked on in this one."""

    processes: int | None = Field(default=None, ge=1, le=1024, description="None: one a core that may be used")

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Apply the function side by side; see `Engine.map`.

        Raises:
            Refusal: a process was killed, as happens where memory runs out.
        """
        processes = self.processes or _cores()
        rest = iter(items)
        first = list(islice(rest, _ALONE + 1)) if processes > 1 else []
        if len(first) <= _ALONE:
            yield from map(function, chain(first, rest))
            return
        with _Workers(processes) as workers:
            waiting: deque[Future[Result]] = deque()
            for item in chain(first, rest):
                waiting.append(workers.submit(function, item))
                if len(waiting) > 2 * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


class _Workers:
    """Processes that are each sent one call at a time, by a thread of this process that waits for the answer.

    They are started by hand, as `multiprocessing` would run the caller's script anew in each.
    """

    def __init__(self, count: int) -> None:
        self._listener = Listener(authkey=os.urandom(32))
        self._processes = [self._start() for _ in range(count)]
        self._free: SimpleQueue[tuple[Connection, subprocess.Popen[bytes]]] = SimpleQueue()
        self._threads = ThreadPoolExecutor(count)

    def __enter__(self) -> "_Workers":
        by_id = {process.pid: process for process in self._processes}
        for _ in self._processes:
            connection = self._listener.accept()
            self._free.put((connection, by_id[connection.recv()]))
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes if error[0] is not None else ():
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        while not self._free.empty():
            self._free.get()[0].close()
        for process in self._processes:
            process.wait()
        self._listener.close()

    def submit(self, function: Callable[[Item], Result], item: Item) -> Future[Result]:
        """The result of one call, in the future."""
        return self._threads.submit(self._call, function, item)

    def _call(self, function: Callable[[Item], Result], item: Item) -> Result:
        connection, process = self._free.get()
        try:
            connection.send((function, item))
            result, error = connection.recv()
        except (EOFError, OSError) as lost:
            process.wait()
            raise Refusal(
                f"a process that worked on the data ended (exit status {process.returncode}), perhaps for want of "
                "memory; write 'engine: {kind: local, processes: 1}', or give the machine more memory"
            ) from lost
        finally:
            self._free.put((connection, process))
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def _start(self) -> "subprocess.Popen[bytes]":
        address = self._listener.address
        assert isinstance(address, str)
        key = self._listener._authkey  # type: ignore[attr-defined]
        process = subprocess.Popen([sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, env=_environment())  # noqa: S603 - our own words
        assert process.stdin is not None
        process.stdin.write(key + address.encode())
        process.stdin.close()
        return process


def serve(hello: bytes) -> None:
    """What a process of its own does: answer calls until nobody asks; `hello` is a key of 32 bytes and an address."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller is interrupted, and closes the connection
    connection = Client(hello[32:].decode(), authkey=hello[:32])
    connection.send(os.getpid())
    while True:
        try:
            function, item = connection.recv()
        except EOFError:
            return
        answer: tuple[object, Exception | None]
        try:
            answer = function(item), None
        except Exception as error:
            answer = None, error
        del item
        connection.send(answer)


def _environment() -> dict[str, str]:
    """This process's, with its module path, and one thread for each library."""
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return os.environ | threads | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
