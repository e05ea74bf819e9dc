"""One process at a time in a folder, held by a lock of the system, which ends with the process."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from danlu.machine.files import write_text
from danlu.refusal import Refusal

NAME = ".running"
"""The file that says which process is at work; the lock itself lies beside it."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder against every other process; what a killed process left behind is taken over.

    Raises:
        Refusal: a living process holds the folder, or one on another machine may; or it cannot be held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / NAME
    lock = FileLock(folder / f"{NAME}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise _held(folder, _holder(note) or "unknown") from None
    except (OSError, RuntimeError) as error:  # a link or a folder of this name; a lock of this very process
        if isinstance(error, RuntimeError):
            raise _held(folder, _holder(note) or "unknown") from None
        why = str(error.strerror).lower()
        raise Refusal(f"{lock.lock_file}: cannot be locked ({why}); move it away, or choose another --root") from error
    try:
        holder = _holder(note)
        if holder and holder.partition(" ")[2] not in ("", socket.gethostname()):  # a disk that others reach, too
            raise _held(folder, holder)
        note.unlink(missing_ok=True)
        write_text(note, f"{os.getpid()} {socket.gethostname()}")
        try:
            yield
        finally:
            note.unlink(missing_ok=True)
    finally:
        lock.release()


def _held(folder: Path, holder: str) -> Refusal:
    pid, _, machine = holder.partition(" ")
    return Refusal(
        f"{folder}: process {pid} on {machine or socket.gethostname()} is running here already; wait for it or stop "
        f"it, or delete {folder / NAME} if you know that it has ended"
    )


def _holder(note: Path) -> str:
    """The number of the process and its machine; empty where the file does not say so."""
    if not note.is_file():  # a link to nothing, or a pipe, would be waited for
        return ""
    try:
        text = note.read_text(encoding="utf-8", errors="replace")[:300].strip()
    except FileNotFoundError:  # who held it has just ended
        return ""
    words = text.split(" ")
    return " ".join(words[:2]) if len(words) >= 2 and words[0].isdigit() else ""
