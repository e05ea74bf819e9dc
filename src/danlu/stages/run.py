"""Runs the stages of a recipe: what is done already is skipped, what was interrupted goes on."""

import glob
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from danlu.machine.alone import alone_in
from danlu.recipe import lock as locks
from danlu.recipe.part import nearest
from danlu.refusal import Refusal
from danlu.stages.recipe import Recipe, referenced
from danlu.stages.stage import Place, Stage

Outlook = Literal["run", "resume", "skip", "redo", "replace", "restore"]
"""What a run would do with a stage; `redo` makes again what is done but was deleted since, `replace` moves the results
of another section or input aside first, `restore` takes back results that were moved aside."""


@dataclass(frozen=True)
class Planned:
    """A stage and what would become of it; `missing` are files that it had left and that were deleted since."""

    name: str
    stage: Stage
    folder: Path
    outlook: Outlook
    lock: locks.Lock
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ran:
    """A stage that is done: its folder, and how long it took in this run (0 where it was skipped)."""

    name: str
    folder: Path
    seconds: float
    skipped: bool


@dataclass(frozen=True)
class Run:
    """What a recipe has left on disk."""

    folder: Path
    stages: tuple[Ran, ...]

    def __getitem__(self, stage: str) -> Path:
        """The folder of a stage.

        Raises:
            KeyError: no stage of this name was asked for.
        """
        return {ran.name: ran.folder for ran in self.stages}[stage]


def plan(recipe: Recipe, root: Path = Path("runs")) -> Iterator[Planned]:
    """Tell for each stage, in order, what a run would do with it; nothing is changed.

    The inputs of a stage are hashed when it is its turn.

    Raises:
        Refusal: a lock that cannot be read.
    """
    fingerprints: dict[str, str] = {}
    for name, stage in recipe.stages.items():
        folder = root / recipe.name / name
        needed = {other: fingerprints[other] for other in referenced(stage)}
        lock = locks.lock(name, stage, recipe.seed, needed)
        fingerprints[name] = lock.fingerprint
        outlook, missing = _outlook(folder, lock, stage)
        yield Planned(name, stage, folder, outlook, lock, missing)


def run(
    recipe: Recipe,
    root: Path = Path("runs"),
    only: Sequence[str] | None = None,
    say: Callable[[str], None] = print,
) -> Run:
    """Run a recipe's stages in order, each in `root/<recipe>/<stage>`, and return where everything is.

    `only` names the stages to run; what they refer to must then be done. A stage that was done with the same
    section, inputs, seed and version is skipped, unless files of it were deleted; an interrupted one goes on;
    results of other settings are moved aside to `<stage>.older-1`, never removed, and taken back when these settings
    are asked for again.

    Raises:
        Refusal: another process runs here, or what the stages themselves refuse.
    """
    _check_names(recipe, only)
    folder, done = root / recipe.name, list[Ran]()
    states: dict[str, Outlook] = {}
    with alone_in(folder):
        for planned in plan(recipe, root):
            states[planned.name] = planned.outlook
            if only and planned.name not in only:
                continue
            missing = [name for name in planned.lock.stages if states[name] != "skip"]
            if missing:
                raise Refusal(
                    f"the stage '{planned.name}' needs '{missing[0]}', which is not done with these settings; "
                    f"add '{missing[0]}' to the stages to run"
                )
            done.append(_done(planned, recipe, say))
            states[planned.name] = "skip"
    return Run(folder, tuple(done))


def _check_names(recipe: Recipe, only: Sequence[str] | None) -> None:
    for name in only or ():
        if name not in recipe.stages:
            known = list(recipe.stages)
            raise Refusal(f"there is no stage '{name}'{nearest(name, known)}; the stages are: {', '.join(known)}")


def _outlook(folder: Path, lock: locks.Lock, stage: Stage) -> tuple[Outlook, tuple[str, ...]]:
    """What would be done, and the files whose lack is the reason."""
    found = locks.load(folder)
    if found is not None and found.fingerprint == lock.fingerprint:
        if found.state != "done":
            return ("run" if stage.standing(folder) is None else "resume"), ()
        missing = tuple(found.missing(folder))
        return ("redo" if missing else "skip"), missing
    if _aside(folder, lock):
        return "restore", ()
    return ("replace" if _results(folder) else "run"), ()


def _results(folder: Path) -> bool:
    """Whether a stage has left more there than the lock that it began with, and what a kill cut short."""
    if not folder.is_dir():
        return folder.exists()
    names = {path.name for path in folder.iterdir()} - {locks.NAME}
    return not all(name.startswith(".") and name.endswith((".partial", ".scratch")) for name in names)


def _done(planned: Planned, recipe: Recipe, say: Callable[[str], None]) -> Ran:
    name, folder = planned.name, planned.folder
    if planned.outlook == "skip":
        say(f"{name}: done before with the same settings and data, skipped")
        return Ran(name, folder, 0.0, skipped=True)
    if planned.outlook == "restore":
        restored = _restore(planned)
        say(f"{name}: done before with the same settings and data, taken back from {restored}")
        return Ran(name, folder, 0.0, skipped=True)
    aside = None
    if planned.outlook == "replace":
        aside = _move_aside(folder)
        say(f"{name}: the results of other settings or data are kept in {aside}")
    if planned.outlook == "redo":
        say(f"{name}: {_short(planned.missing)} was deleted since it was done, so it is done again")
    elif planned.outlook == "resume":
        say(f"{name}: goes on where it was interrupted, at {planned.stage.standing(folder)}")
    else:
        say(f"{name}: {planned.stage.kind}")
    _remove_partial(folder)
    locks.save(folder, planned.lock)
    place = Place(
        folder=folder,
        inputs={other: folder.with_name(other) for other in planned.lock.stages},
        fingerprint=planned.lock.fingerprint,
        seed=recipe.seed,
        language=recipe.language,
        say=say,
    )
    begun = time.monotonic()
    try:
        planned.stage.run(place)
    except KeyboardInterrupt:
        standing = planned.stage.standing(folder)
        then = f"goes on at {standing}" if standing else "begins anew, since nothing to go on from was kept yet"
        say(f"{name}: stopped; run the same command again and it {then}")
        raise
    except Refusal:
        if aside and not _results(folder):
            shutil.rmtree(folder)
            shutil.move(aside, folder)
            say(f"{name}: nothing was made, so the earlier results are back in place")
        raise
    seconds = time.monotonic() - begun
    locks.save(folder, planned.lock.done(seconds, folder))
    return Ran(name, folder, seconds, skipped=False)


def _short(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)"


def _remove_partial(folder: Path) -> None:
    """Remove what a killed process was writing here when it ended."""
    for left in [*folder.rglob(".*.partial")]:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _aside(folder: Path, lock: locks.Lock) -> Path | None:
    """Where the finished results of a stage with this very lock were moved to, if they were."""
    for path in sorted(folder.parent.glob(f"{glob.escape(folder.name)}.older-*")):
        found = locks.load(path)
        done = found is not None and (found.fingerprint, found.state) == (lock.fingerprint, "done")
        if found is not None and done and not found.missing(path):
            return path
    return None


def _restore(planned: Planned) -> Path:
    """Put results that were moved aside in place; what is there goes aside instead."""
    back = _aside(planned.folder, planned.lock)
    assert back is not None
    if _results(planned.folder):
        _move_aside(planned.folder)
    shutil.rmtree(planned.folder, ignore_errors=True)
    shutil.move(back, planned.folder)
    return back


def _move_aside(folder: Path) -> Path:
    number = 1
    while (aside := folder.with_name(f"{folder.name}.older-{number}")).exists():
        number += 1
    shutil.move(folder, aside)
    return aside
