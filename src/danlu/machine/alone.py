"""One process at a time in a folder, kept by a file that names the process."""

import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from danlu.refusal import Refusal

NAME = ".running"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder against every other process; what a killed process left behind is taken over.

    Raises:
        Refusal: a living process holds the folder, or one on another machine may.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file, me = folder / NAME, _name(os.getpid())
    while not _created(file, me):
        holder = _holder(file)
        if holder is not None and _may_live(holder):
            pid, machine, _ = holder.split(" ", 2)
            raise Refusal(
                f"{folder}: process {pid} on {machine} is running here already; wait for it or stop it, "
                f"or delete {file} if you know that it has ended"
            )
        if holder is not None:
            _take_away(file, holder)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _created(file: Path, text: str) -> bool:
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    return True


def _holder(file: Path) -> str | None:
    """What the file says; None if it went away meanwhile. A file is empty for an instant after it is made."""
    text = ""
    for _ in range(20):
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        if text:
            return text
        time.sleep(0.05)
    return text


def _take_away(file: Path, holder: str) -> None:
    """Remove a dead process's file, and never one that a living one has put there meanwhile."""
    aside = file.with_name(f"{NAME}.{uuid.uuid4().hex[:8]}")
    try:
        file.rename(aside)
    except FileNotFoundError:
        return
    if aside.read_text(encoding="utf-8") != holder and not file.exists():
        aside.rename(file)
    aside.unlink(missing_ok=True)


def _name(pid: int) -> str:
    return f"{pid} {socket.gethostname()} {_start(pid)}"


def _start(pid: int) -> str:
    """When a process began, in ticks since the machine started: tells apart two that were given one number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "unknown"


def _may_live(holder: str) -> bool:
    words = holder.split(" ", 2)
    if len(words) != 3 or not words[0].isdigit():
        return False
    pid, machine, _ = words
    if machine != socket.gethostname() or os.name == "nt":  # no way to look
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _name(int(pid)) == holder
