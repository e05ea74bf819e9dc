"""Who works in a folder: one process alone, or several that leave each other's work be.

All is held by locks of the system, which end with the process. `alone_in` is for who renames: nobody else may work
there meanwhile. `among_others_in` is for who only adds: any number of them do so at once, and what two of them would
make is made by the first (`one_at_a_time`).
"""

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from danlu.machine.files import write_text
from danlu.refusal import Refusal

NAME = ".running"
"""The file that says which process is at work; the lock itself lies beside it."""

_AMONG = f"{NAME}.among-"
"""What the notes of processes begin with that work among others."""

_LOOK = 0.05  # seconds between two looks at a lock that another holds
_PATIENCE = 10.0  # seconds for which others may hold a folder that they only enter


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder against every other process; what a killed process left behind is taken over.

    Raises:
        Refusal: a living process works in the folder, or one on another machine may; or it cannot be held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / NAME
    lock = _acquired(note)
    try:
        _refuse_others(folder)
        with _noted(note):
            yield
    finally:
        lock.release()


@contextmanager
def among_others_in(folder: Path) -> Iterator[None]:
    """Work in a folder beside other processes that do so too; none that wants it alone gets it meanwhile.

    Raises:
        Refusal: a living process holds the folder alone, or it cannot be held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / f"{_AMONG}{uuid.uuid4().hex[:12]}"
    entry, patience = _entered(folder), None
    try:
        patience = _acquired(own)
        write_text(own, _who())
    finally:
        entry.release()
    try:
        yield
    finally:
        own.unlink(missing_ok=True)
        patience.release()
        _forget(own)


@contextmanager
def one_at_a_time(folder: Path, name: str, say: Callable[[str], None]) -> Iterator[None]:
    """Do what `name` stands for in a folder while no other process does; waits for one that does, and says so.

    Raises:
        Refusal: it cannot be held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note, told, lock = folder / f"{NAME}.{name}", False, None
    while lock is None:
        try:
            lock = _acquired(note)
        except _HeldByAnother as held:
            if not told and note.exists():  # who is only just beginning has not said so yet
                say(held.waiting)
                told = True
            time.sleep(_LOOK)
    try:
        with _noted(note):
            yield
    finally:
        lock.release()


class _HeldByAnother(Refusal):
    """A lock that a living process has, or one on another machine may have."""

    def __init__(self, note: Path, holder: str) -> None:
        pid, _, machine = holder.partition(" ")
        who = f"process {pid} on {machine or socket.gethostname()}"
        remedy = f"delete {note} if you know that it has ended"
        self.waiting = f"waits for {who}, which is making the same; {remedy}"
        super().__init__(f"{note.parent}: {who} is running here already; wait for it or stop it, or {remedy}")


def _acquired(note: Path) -> FileLock:
    """The lock of a note, which the caller releases."""
    lock = FileLock(note.with_name(f"{note.name}.lock"), is_singleton=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise _HeldByAnother(note, _holder(note) or "unknown") from None
    except RuntimeError:  # a lock of this very process
        raise _HeldByAnother(note, _holder(note) or "unknown") from None
    except OSError as error:  # a link or a folder of this name
        why = str(error.strerror).lower()
        raise Refusal(f"{lock.lock_file}: cannot be locked ({why}); move it away, or choose another --root") from error
    holder = _holder(note)
    elsewhere = holder and holder.partition(" ")[2] not in ("", socket.gethostname())  # on a disk that others reach
    if elsewhere and not _is_queued_anew(note):
        lock.release()
        raise _HeldByAnother(note, holder)
    return lock


def _entered(folder: Path) -> FileLock:
    """The lock of the whole folder, for the moment of entering; others that enter are waited for."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            lock = _acquired(folder / NAME)
        except _HeldByAnother:
            if _may_live(_holder(folder / NAME)) or time.monotonic() > deadline:
                raise
            time.sleep(_LOOK)
        else:
            (folder / NAME).unlink(missing_ok=True)  # of one that was killed; who enters writes none
            return lock


def _may_live(holder: str) -> bool:
    """Whether the process that a note names may be at work: it is on another machine, or lives on this one."""
    number, _, machine = holder.partition(" ")
    return bool(holder) and (machine != socket.gethostname() or psutil.pid_exists(int(number)))


def _refuse_others(folder: Path) -> None:
    """Refuse a folder in which others work; the notes of those that were killed go, and what locks they have left."""
    for path in sorted(folder.glob(f"{NAME}.*.lock")):
        note = path.with_name(path.name.removesuffix(".lock"))
        _acquired(note).release()
        note.unlink(missing_ok=True)
        _forget(note)


def _forget(note: Path) -> None:
    """Remove the lock of a note that nobody else looks for."""
    with suppress(OSError):  # on Windows while another looks at it
        note.with_name(f"{note.name}.lock").unlink(missing_ok=True)


@contextmanager
def _noted(note: Path) -> Iterator[None]:
    note.unlink(missing_ok=True)
    write_text(note, _who())
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def _who() -> str:
    return " ".join([str(os.getpid()), socket.gethostname(), *_job()])


def _job() -> list[str]:
    """The job of Slurm that this process belongs to, and how often that was begun anew; nothing without one."""
    job = os.environ.get("SLURM_JOB_ID", "")
    return [f"slurm-{job}", os.environ.get("SLURM_RESTART_COUNT", "0")] if job.isalnum() else []


def _is_queued_anew(note: Path) -> bool:
    """Whether the note is of an earlier run of this very job, which Slurm has ended on all machines."""
    job, told = _job(), _words(note)[2:4]
    return len(told) == 2 and bool(job) and told[0] == job[0] and told[1].isdecimal() and int(told[1]) < int(job[1])


def _holder(note: Path) -> str:
    """The number of the process and its machine; empty where the file does not say so."""
    return " ".join(_words(note)[:2])


def _words(note: Path) -> list[str]:
    if not note.is_file():  # a link to nothing, or a pipe, would be waited for
        return []
    try:
        text = note.read_text(encoding="utf-8", errors="replace")[:300].strip()
    except FileNotFoundError:  # who held it has just ended
        return []
    words = text.split(" ")
    return words if len(words) >= 2 and words[0].isdecimal() else []
