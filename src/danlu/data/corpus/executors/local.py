"""Processes of this machine."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from queue import SimpleQueue
from typing import Any, TypeVar

from pydantic import Field

from danlu.data.corpus.executor import Executor
from danlu.machine.module_path import module_path
from danlu.refusal import Refusal

Item = TypeVar("Item")
Result = TypeVar("Result")

_ALONE = 4
"""Items that are not worth starting processes for: half a second and 60 MB each (2026-11)."""

Worker = tuple["Connection[Any, Any]", "subprocess.Popen[bytes]"]


class Local(Executor):
    """Processes of this machine; data of a few chunks is worked on in this one."""

    processes: int | None = Field(default=None, ge=1, le=1024, description="None: one a core that may be used")

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Apply the function side by side; see `Executor.map`.

        Raises:
            Refusal: a process was killed, as happens where memory runs out.
        """
        processes = 1 if os.name == "nt" else self.processes or _cores()  # pipes are not handed down there
        rest = iter(items)
        first = list(islice(rest, _ALONE + 1)) if processes > 1 else []
        if len(first) <= _ALONE:
            yield from map(function, chain(first, rest))
            return
        with _Workers(processes, function) as workers:
            waiting: deque[Future[Result]] = deque()
            for item in chain(first, rest):
                waiting.append(workers.submit(item))
                if len(waiting) > 2 * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


class _Workers:
    """Processes that are each sent the function once, then an item at a time, by a thread that waits for the answer.

    They are started by hand, as `multiprocessing` would run the caller's script anew in each. The function may hold
    much, such as the 75 MB of a fitted filter.
    """

    def __init__(self, count: int, function: Callable[[Any], Any]) -> None:
        self._function = bytes(ForkingPickler.dumps(function))
        self._told: set[int] = set()
        self._all = [_started() for _ in range(count)]
        self._free: SimpleQueue[Worker] = SimpleQueue()
        for worker in self._all:
            self._free.put(worker)
        self._threads = ThreadPoolExecutor(count)

    def __enter__(self) -> "_Workers":
        return self

    def __exit__(self, *error: object) -> None:
        for _, process in self._all if error[0] is not None else ():
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for connection, process in self._all:
            connection.close()
            process.wait()

    def submit(self, item: Any) -> Future[Any]:
        """The result of one call, in the future."""
        return self._threads.submit(self._call, item)

    def _call(self, item: Any) -> Any:
        connection, process = self._free.get()
        try:
            if process.pid not in self._told:
                connection.send_bytes(self._function)
                self._told.add(process.pid)
            connection.send(item)
            result, error = connection.recv()
        except (EOFError, OSError) as lost:
            process.wait()
            raise Refusal(
                f"a process that worked on the data ended (exit status {process.returncode}), perhaps for want of "
                "memory; write 'executor: {kind: local, processes: 1}', or give the machine more memory"
            ) from lost
        finally:
            self._free.put((connection, process))
        if error is not None:
            raise error
        return result


def _started() -> Worker:
    ours, theirs = Pipe()
    script = f"from danlu.data.corpus.executors.local import serve; serve({theirs.fileno()})"
    # -P: the folder that this is called in, where data of others may lie, is no place of modules.
    command = [sys.executable, "-P", "-c", script]
    # A group of its own, so that Ctrl-C reaches the caller alone, also while this one still starts.
    process = subprocess.Popen(  # noqa: S603 - our own words
        command, pass_fds=[theirs.fileno()], env=_environment(), process_group=0
    )
    theirs.close()
    return ours, process


def serve(descriptor: int) -> None:
    """What a process of its own does: apply a function that comes through a pipe to all that follows it."""
    connection: Connection[Any, Any] = Connection(descriptor)
    function: Callable[[Any], object] | None = None
    while True:
        try:
            function = function or connection.recv()
            item = connection.recv()
        except (EOFError, OSError):  # the caller has gone
            return
        answer: tuple[object, Exception | None]
        try:
            assert function is not None
            answer = function(item), None
        except Exception as error:
            answer = None, error
        del item
        try:
            connection.send(answer)
        except OSError:
            return


def _environment() -> dict[str, str]:
    """This process's, with its path of modules, and one thread for each library."""
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return os.environ | threads | {"PYTHONPATH": os.pathsep.join(module_path())}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
