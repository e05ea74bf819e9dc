"""The bundles in the folders that are served: what each does, how large and how good it is, and which are open."""

import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from danlu.apps.studio.fresh import Fresh
from danlu.apps.studio.served import Served
from danlu.bundle import manifest
from danlu.machine.door import read_json
from danlu.machine.files import sha256
from danlu.recipe import lock as locks
from danlu.refusal import Refusal
from danlu.serve.shelf import Place, Shelf

OPEN = 2
"""Bundles that are open at a time; each takes memory."""
MOST = 500
DEEPEST = 6
_LEFT_OUT = {"node_modules", "__pycache__", "site-packages", "checkpoints", "returns", "bad-batches"}


def bundles(served: Served) -> list[dict[str, Any]]:
    """What is told of each bundle; of a damaged one, what is wrong with it."""
    found: dict[str, dict[str, Any]] = {}
    for root in served.folders.values():
        for folder in _folders(root.resolve()):
            address = served.address(folder)
            if address is not None and address not in found and len(found) < MOST:
                found[address] = {"address": address, "name": name_of(address), **_told(folder)}
    return list(found.values())


def name_of(address: str) -> str:
    """By what a bundle is asked: its address, without what every bundle has and what a name of a model may not have."""
    bare = address.partition(":")[2].removesuffix("/bundle") or address.partition(":")[0]
    return "".join(":" if sign in "/\\?#" or not sign.isprintable() else sign for sign in bare)[:100]


def bundle_at(served: Served, address: str) -> Path:
    """The folder of a bundle that is served. Raises `Refusal` where there is none."""
    folder = served.inside(address)
    if not (folder / manifest.NAME).is_file():
        raise Refusal(f"{address:.200}: there is no bundle any more; look at the list anew")
    return folder


@dataclass
class Opened:
    """The bundles on a shelf, opened when they are asked for; of more than `OPEN` the least used is closed."""

    served: Served
    _used: dict[str, str] = field(default_factory=dict)
    _marks: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, shelf: Shelf, address: str) -> str:
        """Open a bundle, unless it is as it lies there now, and give its name.

        Raises:
            Refusal: there is none, it is damaged, or it does not answer as it did when it was saved.
        """
        folder = bundle_at(self.served, address)
        try:
            mark = sha256(folder / manifest.NAME)
        except OSError:  # it is being replaced
            raise Refusal(f"{address:.200}: there is no bundle any more; look at the list anew") from None
        with self._lock:
            if address in self._used and self._marks.get(address) != mark:  # its run was trained anew
                shelf.reload(self._used[address])
            if address not in self._used:
                name = self._free(name_of(address))
                _facts(folder)  # of a damaged one nothing is closed
                while len(self._used) >= OPEN:
                    shelf.withdraw(self._used.pop(next(iter(self._used))))
                shelf.offer(Place(name, str(folder)))
            else:
                name = self._used.pop(address)
            self._used[address], self._marks[address] = name, mark  # the latest is the last
            return name

    def used(self, name: str | None) -> None:
        """A model was asked, so another is closed before it."""
        owner = (name or "").partition("/")[0]
        with self._lock:
            address = next((address for address, other in self._used.items() if other == owner), None)
            if address is not None:
                self._used[address] = self._used.pop(address)

    def addresses(self) -> list[str]:
        """Of those that are open."""
        return list(self._used)

    def _free(self, name: str) -> str:
        number, found = 2, name
        while found in self._used.values():
            found, number = f"{name} {number}", number + 1
        return found


def _facts(folder: Path) -> dict[str, Any]:
    return manifest.facts_in(folder, manifest.NAME, "bundle", "the bundle/ folder that a train stage has left")


def _told(folder: Path) -> dict[str, Any]:
    try:
        facts = _facts(folder)
    except Refusal as refusal:
        return {"wrong": str(refusal)}
    task, engine = facts["task"], facts.get("engine")
    provenance = facts.get("provenance")
    provenance = provenance if isinstance(provenance, dict) else {}
    adapters = facts.get("adapters")
    files = [each for each in facts["files"].values() if isinstance(each, dict)]
    return {
        "task": str(task.get("kind", "")),
        "labels": len(task["labels"]) if isinstance(task.get("labels"), list) else None,
        "size": sum(each["bytes"] for each in files if isinstance(each.get("bytes"), int)),
        "engine": engine if isinstance(engine, dict) else {"kind": "torch", "precision": facts.get("precision")},
        "adapters": sorted(map(str, adapters)) if isinstance(adapters, dict | list) else [],
        "serves": facts.get("serves"),
        "base": str(facts.get("base", ""))[:12],
        "made": {key: value for key, value in provenance.items() if isinstance(value, str | int | float)},
        "scores": _scores(folder),
        "changed": (folder / manifest.NAME).stat().st_mtime,
    }


@dataclass(frozen=True)
class _Built:
    """What a lock says of what was made: by which stage, from what, and of which bundle."""

    stage: str
    fingerprint: str
    stages: Mapping[str, str]
    bundle: object


def _built(path: Path) -> _Built | None:
    lock = locks.load(path.parent)
    return None if lock is None else _Built(lock.stage, lock.fingerprint, lock.stages, lock.section.get("bundle"))


_BUILT = Fresh(_built)
"""Locks that were read; parsing one takes some 6 ms."""


def _scores(folder: Path) -> dict[str, float]:
    """Metrics of the evaluations of a run that were made of this very bundle, the latest first."""
    stage = folder.parent
    own = _BUILT(stage / locks.NAME)
    if not isinstance(own, _Built):
        return {}
    found: list[tuple[float, dict[str, float]]] = []
    for scores in stage.parent.glob("*/scores.json") if folder.name == "bundle" else ():
        try:
            lock = _BUILT(scores.parent / locks.NAME)
            mine = (
                isinstance(lock, _Built)
                and lock.stages.get(own.stage) == own.fingerprint
                and lock.bundle == f"@{own.stage}"
            )
            metrics = read_json(scores, "evaluate it again").get("metrics") if mine else None
        except Refusal:
            continue
        if isinstance(metrics, dict):
            values = {name: value for name, told in metrics.items() if (value := _value(told)) is not None}
            found.append((scores.stat().st_mtime, values))
    return max(found, key=lambda pair: pair[0], default=(0.0, {}))[1]


def _value(told: Any) -> float | None:
    interval = told.get("interval", told) if isinstance(told, dict) else told
    value = interval.get("value") if isinstance(interval, dict) else interval
    return float(value) if isinstance(value, int | float) else None


def _folders(root: Path) -> Iterator[Path]:
    """Folders that hold a bundle, by name; nothing lies in those."""
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop(0)
        if (folder / manifest.NAME).is_file():
            yield folder
            continue
        try:
            inner = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
        except OSError:
            continue
        if depth < DEEPEST:
            waiting += [
                (folder / name, depth + 1) for name in inner if not name.startswith(".") and name not in _LEFT_OUT
            ]
