"""Who holds something: a process by a name that no other has, wherever it runs, and whether it still lives."""

import os
import socket
from pathlib import Path

import psutil

_DRIFT = 5.0  # seconds by which the start of a process may be told differently


def this_process() -> str:
    """This process: its number, when it began, its machine, and the room in which the number counts."""
    return named(os.getpid())


def named(number: int) -> str:
    """The process of a number that lives here. Raises `psutil.NoSuchProcess` where there is none."""
    return f"{number} {psutil.Process(number).create_time():.2f} {_here()}"


def still_lives(holder: str) -> bool | None:
    """Whether the process of a name lives; None where that cannot be told, as it runs on another machine."""
    number, begun, where = holder.split(" ", 2)
    if where != _here():
        return None
    try:
        process = psutil.Process(int(number))
        return bool(process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - float(begun)) < _DRIFT)
    except psutil.NoSuchProcess:
        return False


def _here() -> str:
    room = Path("/proc/self/ns/pid")  # containers may share the name of a machine, but not the numbers of processes
    start = Path("/proc/sys/kernel/random/boot_id")  # machines may share a name, and their first rooms have one number
    booted = start.read_text(encoding="ascii").strip() if start.is_file() else ""
    return f"{socket.gethostname()} {room.readlink() if room.is_symlink() else ''} {booted}"
