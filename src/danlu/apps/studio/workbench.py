"""What the studio does beside runs: data that are looked at, recipes that are written, bundles that are tried."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from danlu.apps.studio.bundles import Opened
from danlu.apps.studio.jobs import Job, Jobs
from danlu.apps.studio.records import Kept
from danlu.apps.studio.served import Served
from danlu.recipe.read import keyed
from danlu.refusal import Refusal

KEPT = 4
"""Data whose records are kept for pages at a time; they take about as much of the disk as the data themselves."""

_OURS = ("path", "on_bad_row", "validation", "test")
"""Settings that the page may not give: which files are read, and what becomes of bad rows; a split may be `none`."""


@dataclass(eq=False)
class Workbench:
    """The folders that are served by name (`working`, `runs` and others), and what is under way in them."""

    served: Served
    jobs: Jobs
    opened: Opened = field(init=False)
    _reads: dict[tuple[Any, ...], str] = field(default_factory=dict)
    _kept: dict[str, Kept] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.opened = Opened(self.served)

    @property
    def working(self) -> Path:
        """Where recipes lie, and where what is started works."""
        return self.served.folders["working"]

    def look(self, what: str, address: str, settings: Mapping[str, Any], language: str) -> Job:
        """Start a look at data; records that are read already are not read again, unless their file has changed.

        `settings` are those that the function of its name takes (`looks.py`).

        Raises:
            Refusal: there is no such data here, a setting would not do, or too much is under way.
        """
        path = self.data_at(address)
        refuse_settings(settings.get("settings", ()))
        key = (address, json.dumps(settings, sort_keys=True), _stamp(path))
        if what == "read" and (known := self._reads.get(key)) is not None:
            try:
                if (job := self.jobs.find(known)).state in ("running", "done"):
                    return job
            except Refusal:
                del self._reads[key]
        told: dict[str, Any] = {"path": self.told(path), **settings}
        if what == "splits":
            told["served"] = {name: str(folder.resolve()) for name, folder in self.served.folders.items()}
        job = self.jobs.start(
            what,
            address,
            lambda folder: ["danlu.apps.studio.worker", what, json.dumps({**told, "folder": str(folder)})],
            language=language,
        )
        if what == "read":
            self._reads[key] = job.id
            for old in list(self._reads.values())[:-KEPT]:
                self._let_go(old)
        return job

    def data_at(self, address: str) -> Path:
        """The file or folder with data at an address. Raises `Refusal` where there is none."""
        path = self.served.inside(address)
        if not path.exists():
            raise Refusal(f"{address:.200}: is not there any more; look at the list anew")
        return path

    def told(self, path: Path) -> str:
        """A path as commands take it, from where they work; one that would mean something else there, from the top."""
        working = self.working.resolve()
        if not path.is_relative_to(working):
            return str(path)
        inner = str(path.relative_to(working))
        return str(path) if inner[:1] in ("@", "-", "~") or ":" in inner or inner == "." else inner

    def records(self, id_: str) -> Kept:
        """What a look has read. Raises `Refusal` where it has not (yet)."""
        job = self.jobs.find(id_)
        if job.what != "read" or job.state != "done":
            raise Refusal("the records are not read yet; wait until they are")
        return self._kept.setdefault(id_, Kept(job.folder))

    def close(self) -> None:
        """End what is under way."""
        self.jobs.close()

    def _let_go(self, id_: str) -> None:
        self._reads = {key: other for key, other in self._reads.items() if other != id_}
        self._kept.pop(id_, None)
        self.jobs.drop(id_)


def refuse_settings(settings: Sequence[str]) -> None:
    """Raise `Refusal` for settings of a format that name another file than the one that was chosen."""
    for key, value in keyed(settings).items():
        if key in _OURS and value != "none":
            raise Refusal(f"the setting '{key}' cannot be given here; choose the file in the list")


def _stamp(path: Path) -> tuple[Any, ...]:
    """What changes with a file, or with those of a folder."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stats = [(file.name, file.stat()) for file in files if file.is_file()]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def bench_of(runs: Path, working: Path, more: Sequence[Path] = ()) -> Workbench:
    """The workbench of a folder of runs, one to work in, and others whose data and bundles are shown too."""
    others = {f"folder{number}": folder for number, folder in enumerate(more, 1)}
    return Workbench(Served({"working": working, "runs": runs, **others}), Jobs(working))
