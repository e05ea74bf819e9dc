"""Runs as processes of their own: started, found again, stopped as Ctrl-C does.

runs/reviews/.studio/started.json   what was started last, when, and which process it is
runs/reviews/.studio/ended.json     how that has ended
runs/reviews/.studio/output.txt     what it has said
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from danlu.machine.alone import NAME as RUNNING
from danlu.machine.files import write_text
from danlu.machine.holder import named, still_lives
from danlu.refusal import Refusal

FOLDER, STARTED, ENDED, OUTPUT = ".studio", "started.json", "ended.json", "output.txt"

MOST_OUTPUT = 2**22
"""Bytes of what earlier runs have said, beyond which it is begun anew."""

_NOTE = re.compile(r"(\d{1,9}) ([^\s]{1,255})")
_MOST_NOTE = 2**20


@dataclass(frozen=True)
class Started:
    """What the studio has started: a recipe by its file, overrides, when, and the name of the process."""

    recipe: str
    overrides: tuple[str, ...]
    begun: float
    process: str


@dataclass(frozen=True)
class Ended:
    """How it has ended: the exit status, and when."""

    status: int
    ended: float


def start(run: Path, recipe: str, overrides: Sequence[str], root: Path, working: Path) -> "subprocess.Popen[bytes]":
    """Start `danlu run` for a run's folder, apart from this process and its terminal.

    Raises:
        Refusal: the folder cannot be written to.
    """
    place = run / FOLDER
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / ENDED).unlink(missing_ok=True)
        output = place / OUTPUT
        begun_anew = not output.is_file() or output.stat().st_size > MOST_OUTPUT
        words = ["run", "--root", str(root), "--", recipe, *overrides]
        command = [sys.executable, "-m", "danlu.apps.studio.started", str((place / ENDED).resolve()), *words]
        with output.open("wb" if begun_anew else "ab") as said:
            said.write(f"$ danlu run {' '.join([recipe, *overrides])}\n".encode("utf-8", "replace"))
            said.flush()
            process = subprocess.Popen(  # noqa: S603
                command, cwd=working, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
    except OSError as error:
        raise Refusal(
            f"{place}: nothing can be started here ({str(error.strerror).lower()}); change its rights"
        ) from error
    with suppress(psutil.NoSuchProcess):
        told = Started(recipe, tuple(overrides), time.time(), named(process.pid))
        write_text(place / STARTED, json.dumps(asdict(told), ensure_ascii=False))
    return process


def stop(run: Path) -> bool:
    """Ask the process of a run to stop, as Ctrl-C does; whether there was one here."""
    number = living(run)
    if number is None:
        return False
    try:
        os.kill(number, signal.SIGINT)
    except ProcessLookupError:
        return False
    except PermissionError:
        raise Refusal(f"{run.name}: process {number} is another user's, and only they can stop it") from None
    return True


def living(run: Path) -> int | None:
    """The number of the process that is at work in a run's folder on this machine."""
    last = read_started(run)
    if last is not None and lives(last):
        return int(last.process.split(" ", 1)[0])
    return next((number for number in map(_of_note, notes(run)) if number is not None), None)


def lives(last: Started) -> bool:
    """Whether that process is still there."""
    try:
        return still_lives(last.process) is True
    except (ValueError, OSError, psutil.Error):
        return False


def notes(run: Path) -> list[Path]:
    """The notes of processes that are at work in a folder, or were when they were killed."""
    with suppress(OSError):
        return sorted(path for path in run.glob(f"{RUNNING}*") if path.suffix != ".lock" and path.is_file())
    return []


def elsewhere(run: Path) -> str | None:
    """The other machine whose process is at work there, if a note says so."""
    for note in notes(run):
        if (found := _read_note(note)) and found[1] != socket.gethostname():
            return found[1][:100]
    return None


def read_started(run: Path) -> Started | None:
    """What was started last in a run's folder; None where that was nothing, or is not told rightly."""
    told = _read(run / FOLDER / STARTED)
    try:
        overrides = tuple(str(each) for each in told["overrides"])
        return Started(str(told["recipe"]), overrides, float(told["begun"]), str(told["process"]))
    except (KeyError, TypeError, ValueError):
        return None


def read_ended(run: Path) -> Ended | None:
    """How what was started last has ended; None while it goes on, and where it was killed."""
    told = _read(run / FOLDER / ENDED)
    try:
        return Ended(int(told["status"]), float(told["ended"]))
    except (KeyError, TypeError, ValueError):
        return None


def output(run: Path, most: int = 2**16) -> str:
    """The end of what was said, whole lines; a bar that wrote over itself is left with its last state."""
    path = run / FOLDER / OUTPUT
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - most))
            data = file.read(most)
    except OSError:
        return ""
    text = (data if size <= most else data.partition(b"\n")[2]).decode("utf-8", "replace")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def _read(path: Path) -> dict[str, Any]:
    try:
        with suppress(OSError):
            if path.is_file() and path.stat().st_size <= _MOST_NOTE:
                told = json.loads(path.read_text(encoding="utf-8"))
                return told if isinstance(told, dict) else {}
    except (ValueError, RecursionError):
        pass
    return {}


def _read_note(note: Path) -> tuple[int, str] | None:
    with suppress(OSError), note.open("rb") as file:
        found = _NOTE.match(file.read(300).decode("utf-8", "replace"))
        return (int(found[1]), found[2]) if found else None
    return None


def _of_note(note: Path) -> int | None:
    """The process that a note names, if it lives here, and did when the note was written: numbers are given anew."""
    found = _read_note(note)
    if found is None or found[1] != socket.gethostname():
        return None
    with suppress(OSError, psutil.Error):
        process = psutil.Process(found[0])
        if process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= note.stat().st_mtime + 1:
            return found[0]
    return None
