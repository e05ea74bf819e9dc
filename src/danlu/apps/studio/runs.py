"""The runs of a folder, each at a glance: in which state it is, its stages, its time, its main score."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from danlu.apps.studio import processes
from danlu.apps.studio.fresh import Fresh
from danlu.apps.studio.log_file import LogFile
from danlu.apps.studio.recipe_file import RecipeFile, at_a_glance
from danlu.apps.studio.stage_files import Glance, glance, scored, whole_lock
from danlu.evaluate.scoring.examine import SCORES
from danlu.recipe.lock import NAME as LOCK
from danlu.recipe.lock import Lock
from danlu.refusal import Refusal
from danlu.serve.problem import Problem
from danlu.train.recorders.jsonl import NAME as LOG

MOST = 2000
"""Runs of a folder, and stages of a run, that are told."""

KEPT = "curves-{stage}.json"
"""What was read of a long log, beside what the studio keeps of a run; it can be made again."""

PAGES = ("search.html", "bakeoff.html")
"""What searches and bake-offs leave beside runs of other settings."""

_STOPPED = 130
"""The exit status of what was interrupted."""


@dataclass
class Runs:
    """All runs of a folder, and what was read of them.

    - `root`: the folder. `working`: where the recipes lie.
    """

    root: Path
    working: Path
    locks: Fresh[Glance] = field(default_factory=lambda: Fresh(glance))
    scores: Fresh[list[dict[str, Any]]] = field(default_factory=lambda: Fresh(scored))
    whole: Fresh[Lock] = field(default_factory=lambda: Fresh(whole_lock))
    recipes: Fresh[RecipeFile | None] = field(default_factory=lambda: Fresh(at_a_glance))
    logs: dict[Path, LogFile] = field(default_factory=dict)

    def names(self) -> tuple[list[str], list[str]]:
        """The names of the runs, and sentences on what else lies in the folder."""
        if not self.root.is_dir():
            return [], []
        found, told = [], []
        for path in sorted(self.root.iterdir(), key=lambda path: path.name):
            if path.name.startswith("."):
                continue
            try:
                path.name.encode("utf-8")
                inside = path.is_dir() and path.resolve().is_relative_to(self.root.resolve())
            except (UnicodeEncodeError, OSError, RuntimeError):
                shown = ascii(path.name)[1:-1]
                told.append(str(Refusal(f"{shown}: cannot be shown, its name is no text or its place cannot be read")))
                continue
            if inside:
                found.append(path.name)
            elif path.is_dir():
                told.append(
                    str(Refusal(f"{path.name}: is a link that leads out of the folder, so it is not looked at"))
                )
        if len(found) > MOST:
            told.append(str(Refusal(f"{len(found):,} folders lie here, and the first {MOST:,} are shown")))
        return found[:MOST], told

    def folder(self, name: str) -> Path:
        """The folder of a run. Raises `Problem` for a name that no folder of a run here has."""
        if name not in ("", ".", "..") and not name.startswith(".") and not {"/", "\\", "\0"} & set(name):
            path = self.root / name
            try:
                if path.is_dir() and path.resolve().is_relative_to(self.root.resolve()):
                    return path
            except (OSError, RuntimeError, UnicodeEncodeError):
                pass
        raise Problem(404, "no_such_run", f"there is no run '{name:.100}' here (any more)", "run")

    def stage(self, run: str, stage: str) -> Path:
        """The folder of a stage. Raises `Problem` for one that is not there."""
        folder = self.folder(run)
        if stage not in ("", ".", "..") and not {"/", "\\", "\0"} & set(stage):
            path = folder / stage
            try:
                if path.is_dir() and not path.is_symlink():
                    return path
            except (OSError, UnicodeEncodeError):
                pass
        raise Problem(404, "no_such_stage", f"the run '{run:.100}' has no stage '{stage:.100}' (any more)", "stage")

    def log(self, run: str, stage: str) -> LogFile | None:
        """The log of a stage, where it has one."""
        path = self.stage(run, stage) / LOG
        if not path.is_file():
            return None
        kept = self.folder(run) / processes.FOLDER / KEPT.format(stage=stage)
        return self.logs.setdefault(path, LogFile(path, kept))

    def listed(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Every run at a glance, those that have changed last first; and sentences on what is no run."""
        found = []
        names, told = self.names()
        by_name = self._recipes_by_name()
        for name in names:
            try:
                found.append(self.at_a_glance(name, by_name))
            except (Problem, OSError):  # it was removed meanwhile
                continue
        for each in [each for each in found if each["state"] == "empty"]:
            if left := self._left_by_many(each["name"]):
                told.append(left)
            elif not each["stages"]:
                told.append(str(Refusal(f"{each['name']}: holds nothing that a run has left")))
            if not each["stages"]:
                found.remove(each)
        found.sort(key=lambda each: -(each["changed"] or 0))
        return found, told

    def _left_by_many(self, name: str) -> str | None:
        """What to say of a folder where runs of other settings lie, and none under the stages' own names."""
        for page in PAGES:
            if (self.root / name / page).is_file():
                return str(Refusal(f"{name}: holds runs that were compared; their page is {page} in that folder"))
        return None

    def at_a_glance(self, name: str, recipes: Mapping[str, RecipeFile] | None = None) -> dict[str, Any]:
        """One run: state, stages, seconds, the first score, when it has changed; `recipes` by the names of their runs.

        Raises `Problem`, `OSError`.
        """
        folder = self.folder(name)
        last, ended = processes.read_started(folder), processes.read_ended(folder)
        living = processes.living(folder)
        stages, changed, told = self._stages(folder, last, recipes, alive=living is not None)
        state = _state(folder, stages, last, ended, changed, living)
        if last is not None:
            changed = max(changed or 0.0, ended.ended if ended else last.begun)
        score = next(({"stage": each["name"], **each["scores"][0]} for each in stages if each["scores"]), None)
        now = time.time()
        since = [now - each["begun"] for each in stages if each["state"] == "running" and each["begun"]]
        return {
            "name": name,
            "state": state,
            "process": living,
            "elsewhere": None if living else processes.elsewhere(folder),
            "stages": stages,
            "seconds": sum(each["seconds"] or 0.0 for each in stages) + sum(since),
            "score": score,
            "changed": changed,
            "started": last and {"recipe": last.recipe, "overrides": list(last.overrides), "begun": last.begun},
            "status": ended.status if ended and state in ("failed", "stopped") else None,
            "notes": told,
        }

    def _stages(
        self,
        folder: Path,
        last: processes.Started | None,
        recipes: Mapping[str, RecipeFile] | None,
        *,
        alive: bool,
    ) -> tuple[list[dict[str, Any]], float | None, list[str]]:
        told, damaged, locks, times = list[str](), list[str](), dict[str, Glance](), dict[str, float]()
        for path in _folders(folder):
            found = self.locks(path / LOCK)
            if isinstance(found, Refusal):
                told.append(str(found))
                damaged.append(path.name)
            elif found is not None and found.stage == path.name:
                locks[path.name], times[path.name] = found, (path / LOCK).stat().st_mtime
            elif found is not None:
                renamed = Refusal(f"{path.name}: holds results of the stage '{found.stage:.80}', as if it were renamed")
                told.append(str(renamed))
        expected = self._expected(folder.name, last, recipes)
        order = [name for name, _ in expected]
        order = [*order, *(name for name in [*_in_order(locks), *damaged] if name not in order)]
        kinds = dict(expected)
        unfinished = [name for name in order if name in locks and locks[name].state == "running"]
        at_work = max(unfinished, key=lambda name: times[name], default=None) if alive else None
        stages, outdated = [], _outdated(locks)
        for name in order:
            lock, there = None if name in outdated else locks.get(name), name in locks or name in damaged
            state = "damaged" if name in damaged else "waiting" if lock is None else lock.state
            if state == "running" and name != at_work:
                state = "unfinished"
            scores = self.scores(folder / name / SCORES) if state != "waiting" else None
            if isinstance(scores, Refusal):
                told.append(str(scores))
            stages.append(
                {
                    "name": name,
                    "kind": lock.kind if lock else kinds.get(name, ""),
                    "state": state,
                    "seconds": lock.seconds if lock else None,
                    "begun": times[name] if lock and lock.state == "running" else None,
                    "progress": self._progress(folder / name, lock) if lock else None,
                    "scores": scores if isinstance(scores, list) else [],
                    "log": there and (folder / name / LOG).is_file(),
                }
            )
        return stages, max(times.values(), default=None), told

    def _expected(
        self, name: str, last: processes.Started | None, recipes: Mapping[str, RecipeFile] | None
    ) -> list[tuple[str, str]]:
        """The stages of the recipe that a run belongs to, where that is still there."""
        recipe = self.recipes(self.working / last.recipe) if last is not None else None
        if not isinstance(recipe, RecipeFile) or recipe.name != name:
            recipe = (self._recipes_by_name() if recipes is None else recipes).get(name)
        return list(recipe.stages) if recipe is not None else []

    def _recipes_by_name(self) -> dict[str, RecipeFile]:
        """The recipes of the working folder by the names of their runs; of several the first file's."""
        return {each.name: each for each in reversed(self.recipes_here().values())}

    def recipes_here(self) -> dict[str, RecipeFile]:
        """The recipes of the working folder, by the names of their files."""
        found = {}
        for path in sorted(self.working.glob("*.y*ml"))[:MOST]:
            recipe = self.recipes(path) if path.suffix in (".yaml", ".yml") else None
            if isinstance(recipe, RecipeFile):
                found[path.name] = recipe
        return found

    def _progress(self, folder: Path, lock: Glance) -> float | None:
        """How much of a training is done, by the last line of its log."""
        if lock.state == "done" or not (lock.steps or lock.epochs):
            return None
        line = LogFile(folder / LOG, folder).last()
        done, all_ = (line or {}).get("step" if lock.steps else "epoch"), lock.steps or lock.epochs
        return min(1.0, done / all_) if isinstance(done, int | float) and all_ else None


def _state(
    folder: Path,
    stages: list[dict[str, Any]],
    last: processes.Started | None,
    ended: processes.Ended | None,
    changed: float | None,
    living: int | None,
) -> str:
    """running, waiting, done, stopped, failed, interrupted; empty where nobody has run anything."""
    begun = [each for each in stages if each["state"] != "waiting"]
    if living is not None:
        return "running" if any(each["state"] == "running" for each in stages) or processes.notes(folder) else "waiting"
    told = ended is not None and (changed is None or changed <= ended.ended + 1)  # else it was run once more elsewhere
    if told and ended is not None:
        return {0: "done", _STOPPED: "stopped"}.get(ended.status, "failed")
    if processes.notes(folder) or (
        last is not None and ended is None and (changed is None or changed < last.begun + 1)
    ):
        return "interrupted"
    if not begun:
        return "empty"
    if any(each["state"] in ("unfinished", "damaged") for each in begun):
        return "interrupted" if last is not None and ended is None else "stopped"
    return "stopped" if any(each["state"] == "waiting" for each in stages) else "done"


def _folders(run: Path) -> Iterator[Path]:
    """The folders of stages by their own names; results of other settings lie beside them."""
    count = 0
    for path in sorted(run.iterdir()):
        if count < MOST and "." not in path.name and path.is_dir() and not path.is_symlink():
            count += 1
            yield path


def _outdated(locks: dict[str, Glance]) -> set[str]:
    """The stages that were made of other results than those that there are now, and those that build on them."""
    found = set[str]()
    for name in _in_order(locks):
        needs = locks[name].needs.items()
        if any(need in found or (need in locks and locks[need].fingerprint != told) for need, told in needs):
            found.add(name)
    return found


def _in_order(locks: dict[str, Glance]) -> list[str]:
    """The stages, each after those that it builds on."""
    ordered: list[str] = []
    while len(ordered) < len(locks):
        ready = [
            name
            for name, lock in locks.items()
            if name not in ordered and all(each in ordered or each not in locks for each in lock.needs)
        ]
        ordered += ready or [name for name in locks if name not in ordered]
    return ordered
