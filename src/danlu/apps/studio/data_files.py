"""Which data there is in the folders that are served: files that danlu reads, and prepared data of runs."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.apps.studio.served import Served
from danlu.data.corpus.prepared import SPLITS
from danlu.data.reading.guess import SUFFIXES

MOST = 2_000
DEEPEST = 6
"""Files that are listed, and folders within each other that are looked into."""

_LEFT_OUT = {"node_modules", "__pycache__", "site-packages", "checkpoints", "bundle", "bundles", "adapter", "venv"}


@dataclass(frozen=True)
class DataFile:
    """A file, or a folder of prepared data with its splits.

    - `name`: how people are told of it; `size` in bytes; `kind`: the format that its name tells.
    """

    address: str
    name: str
    kind: str
    size: int
    splits: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As a page is told of it."""
        told = {"address": self.address, "name": self.name, "kind": self.kind, "size": self.size}
        return told | {"splits": list(self.splits)}


def data_files(served: Served) -> tuple[list[DataFile], bool]:
    """All of them, prepared data first, and whether there are more."""
    found: list[DataFile] = []
    for file in _all(served):
        if len(found) == MOST:
            return found, True
        found.append(file)
    return found, False


def _all(served: Served) -> Iterator[DataFile]:
    yield from _prepared(served)
    for name, root in served.folders.items():
        if name == "runs":  # of their files the prepared data are looked at
            continue
        others = {folder.resolve() for other, folder in served.folders.items() if other != name}
        for path in _files(root.resolve(), others):
            address = served.address(path)
            inner = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
            suffix = Path(inner).suffix.lower()
            kind = "zip" if suffix == ".zip" else SUFFIXES.get(suffix)
            if kind is not None and address is not None and path.is_file():
                shown = path.relative_to(root.resolve()).as_posix()
                yield DataFile(address, shown, kind, path.stat().st_size)


def _prepared(served: Served) -> Iterator[DataFile]:
    runs = served.folders["runs"]
    for folder in sorted(runs.glob("*/*")) if runs.is_dir() else ():
        files = [folder / f"{split}.parquet" for split in SPLITS]
        there = [file for file in files if file.is_file() and served.address(file) is not None]
        address = served.address(folder)
        if there and address is not None:
            size = sum(file.stat().st_size for file in there)
            splits = tuple(file.stem for file in there)
            yield DataFile(address, folder.relative_to(runs).as_posix(), "prepared", size, splits)


def _files(root: Path, others: set[Path]) -> Iterator[Path]:
    """Files below a folder by name, without those of runs, of packages and of bundles, and without what is hidden."""
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop(0)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        if depth and any(entry.name in ("danlu.json", "pyvenv.cfg", "recipe.lock.yaml") for entry in entries):
            continue
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth < DEEPEST and entry.name not in _LEFT_OUT and path not in others:
                    waiting.append((path, depth + 1))
            else:
                yield path
