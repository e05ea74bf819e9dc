"""Files of texts: csv, tsv, json or jsonl, in a folder that is watched, or named one by one.

A file that has changed is read once more; what was there already is known by its key.
"""

import heapq
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, timezone
from pathlib import Path
from typing import Any

from danlu.apps.monitor.item import Item, item_of
from danlu.apps.monitor.sources import Absent, Given
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import guess
from danlu.machine.web import Failed, writable
from danlu.refusal import Refusal

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
FILES = 1000
"""Of a folder that are looked at, those that were written to last."""

BYTES = 256 * 2**20
QUIET, WAIT = 0.3, 3.0
"""Seconds for which a file must not have changed, as it may still be written, and for which such a pause is waited."""


@dataclass(frozen=True)
class File:
    """A file; `zone` is that of its dates that tell none."""

    path: Path
    zone: timezone = UTC

    @property
    def name(self) -> str:
        """Its path."""
        return writable(str(self.path))[-700:]

    @property
    def stamp(self) -> tuple[int, int] | None:
        """Its size, and when it was written to last; None while it may still be written, or cannot be asked."""
        try:
            told = self.path.stat()
        except OSError:
            return None
        return None if _is_fresh(told) else (told.st_size, told.st_mtime_ns)

    def fetch(self, mark: Any) -> Given | None:
        """Its items; None where it has not changed. Raises `Failed` where it cannot be read."""
        told = self._told()
        if not stat.S_ISREG(told.st_mode):
            raise Failed(f"{self.path}: cannot be read; see that it may be, and is a file, or a folder of files")
        if [told.st_size, told.st_mtime_ns] == mark:
            return None
        told = self._at_rest(told)
        now = [told.st_size, told.st_mtime_ns]
        items, said = read_items(self.path, self.zone)
        grown = bool(mark) and told.st_size > mark[0]
        return Given(items, now, said, expects_known=grown)

    def _at_rest(self, told: os.stat_result) -> os.stat_result:
        """What it is like in a pause of those who write to it. Raises `Failed` where they make none."""
        ends = time.monotonic() + WAIT
        while _is_fresh(told):
            if time.monotonic() > ends:
                raise Failed(f"{self.path}: is written to without a pause, so it is not read; write to another one")
            time.sleep(QUIET / 4)
            told = self._told()
        return told

    def _told(self) -> os.stat_result:
        try:
            return self.path.stat()
        except FileNotFoundError:
            raise Absent(f"{self.path}: is not there; what is put there will be read") from None
        except OSError as error:
            raise Failed(f"{self.path}: cannot be read ({error.strerror})") from error


def _is_fresh(told: os.stat_result) -> bool:
    return 0 <= time.time() - told.st_mtime < QUIET


@dataclass(frozen=True)
class Folder:
    """All of a folder together: whether there is more than is looked at, files or folders in it."""

    folder: Path
    files: int
    folders: int = 0

    @property
    def name(self) -> str:
        """Of what is told of it."""
        return writable(f"{self.folder} (all files)")[-700:]

    @property
    def stamp(self) -> tuple[bool, int]:
        """Whether there are too many files, and how many folders."""
        return self.files > FILES, self.folders

    def fetch(self, mark: Any) -> Given | None:
        """No items, but what is not read; None where that was told. Raises `Failed` where there are too many files."""
        if self.files > FILES:
            raise Failed(
                f"{self.folder}: holds {self.files:,} files, of which the {FILES:,} that were written to last are "
                "looked at; move away what has been read"
            )
        if self.folders == (mark or 0):
            return None
        told = f"holds {self.folders:,} folders, in which nothing is read; name one under 'watch' to have it read"
        return Given((), self.folders, (told,) if self.folders else ())


def files_of(folder: Path, zone: timezone = UTC, *, whole: bool = False) -> Iterator[File | Folder]:
    """A folder, and its files that hold texts, by name, or a file; what begins with a full stop is hidden.

    `whole`: also those beyond the first `FILES`, which are not looked at.
    """
    try:
        kinds = {path: _kind(path) for path in sorted(folder.iterdir()) if not path.name.startswith(".")}
    except OSError:  # a file, or it cannot be read or is not there, which whoever reads it is told
        yield File(folder, zone)
        return
    shown = [path for path, kind in kinds.items() if kind == stat.S_IFREG and path.suffix.lower() in SUFFIXES]
    yield Folder(folder, len(shown), sum(kind == stat.S_IFDIR for kind in kinds.values()))
    if len(shown) > FILES and not whole:
        shown = sorted(heapq.nlargest(FILES, shown, key=_written))
    yield from (File(path, zone) for path in shown)


def _kind(path: Path) -> int:
    """What a path is, as in `stat`, and 0 for nothing; a file where that cannot be asked: who reads it is told."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        return 0
    except OSError:
        return stat.S_IFREG


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def read_items(path: Path, zone: timezone = UTC, source: str = "") -> tuple[list[Item], list[str]]:
    """The items of a file, and what a person should hear of it.

    Raises:
        Failed: it cannot be read at all.
    """
    if path.is_file() and path.stat().st_size > BYTES:
        raise Failed(f"{path}: has more than {BYTES:,} bytes; cut it in parts")
    items, empty, bad, place = [], 0, BadRows(), writable(str(path.resolve()))
    try:
        for record in guess(str(path), settings=["on_bad_row=skip"]).read(bad_rows=bad):
            item = item_of(record, source or writable(path.name), zone, place)
            if item is None:
                empty += 1
            else:
                items.append(item)
    except Refusal as refusal:
        raise Failed(str(refusal)) from refusal
    if not items:
        raise Failed(f"{path}: no row has a text; name the column 'text', beside it 'title', 'date', 'source', 'url'")
    said = [f"{empty:,} rows hold no text, and are left out"] if empty else []
    return items, [writable(line) for line in (*bad.in_words(), *said)]
