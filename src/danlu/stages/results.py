"""Where the results of a stage lie: those that were asked for last under its own name, all others beside them.

    runs/reviews/model/               what the last run asked for
    runs/reviews/model.3f2a91c0b7de/  of other settings or data: the start of their fingerprint

The lock in a folder says whose results it holds; its name only helps to find it. To give results the stage's own name
is one rename, and to free that name another; a kill between the two leaves both where they are found again.
"""

import shutil
from pathlib import Path

from danlu.recipe import lock as locks
from danlu.refusal import Refusal

BESIDE = ".beside"
"""A file in results that were made beside others and have never borne the stage's own name."""


def find(current: Path, fingerprint: str) -> tuple[Path, locks.Lock] | None:
    """The folder that holds what was made, or begun, under a fingerprint; `current` has the stage's own name.

    Where several do, one that is whole comes first.

    Raises:
        Refusal: a lock that cannot be read.
    """
    found = [
        (folder, lock) for folder in locks.folders_of(current, fingerprint) if (lock := locks.load(folder)) is not None
    ]
    same = [(folder, lock) for folder, lock in found if lock.fingerprint == fingerprint]
    return min(same, key=lambda pair: pair[1].state != "done" or bool(pair[1].missing(pair[0])), default=None)


def left(folder: Path) -> bool:
    """Whether more was left there than the lock that a stage began with, and what a kill cut short."""
    if not folder.is_dir():
        return folder.exists()
    names = {path.name for path in folder.iterdir()} - {locks.NAME, BESIDE}
    return not all(name.startswith(".") and name.endswith((".partial", ".scratch")) for name in names)


def beside(current: Path, fingerprint: str) -> Path:
    """A folder for results that leave those under the stage's own name alone; nothing lies in it."""
    return _free(current, fingerprint[: locks.SHOWN])


def set_aside(current: Path) -> Path | None:
    """Free the stage's own name; where what bore it lies now, if that was anything.

    Raises:
        Refusal: the system does not allow it.
    """
    if not left(current):
        shutil.rmtree(current, ignore_errors=True)
        return None
    lock = locks.load(current)
    aside = _free(current, lock.fingerprint[: locks.SHOWN] if lock else "unknown")
    _rename(current, aside)
    return aside


def put_in_place(folder: Path, current: Path) -> None:
    """Give results the stage's own name, which is free, or borne by what was left by nothing but a beginning.

    Raises:
        Refusal: the system does not allow it.
    """
    shutil.rmtree(current, ignore_errors=True)
    made_beside = (folder / BESIDE).is_file()
    (folder / BESIDE).unlink(missing_ok=True)  # before the name is borne: with it, a search would remove the weights
    try:
        _rename(folder, current)
    except Refusal:
        if made_beside:
            (folder / BESIDE).touch()
        raise


def _free(current: Path, end: str) -> Path:
    path, number = current.with_name(f"{current.name}.{end}"), 1
    while left(path):
        number += 1
        path = current.with_name(f"{current.name}.{end}-{number}")
    shutil.rmtree(path, ignore_errors=True)
    return path


def _rename(folder: Path, final: Path) -> None:
    try:
        folder.rename(final)
    except OSError as error:  # on Windows a folder with an open file in it stays where it is
        raise Refusal(
            f"{folder}: cannot be renamed to {final.name} ({str(error.strerror).lower()}); end the programs that use "
            "what is in it, or run with --beside, which renames nothing"
        ) from error
