"""Runs the stages of a recipe: what is done already is skipped, what was interrupted goes on."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from danlu.machine.alone import alone_in, among_others_in, one_at_a_time
from danlu.machine.ranks import ALONE, Ranks
from danlu.recipe import lock as locks
from danlu.recipe.part import nearest
from danlu.refusal import Refusal
from danlu.stages import results, together
from danlu.stages.recipe import Recipe, referenced
from danlu.stages.stage import Place, Stage

if TYPE_CHECKING:
    from danlu.train.events import Event, Leave  # brings torch

Outlook = Literal["run", "resume", "skip", "redo", "replace", "restore"]
"""What a run would do with a stage; `redo` makes again what is done but was deleted since, `restore` gives finished
results the stage's own name again, `replace` begins anew while results of another section or input bear that name."""


@dataclass(frozen=True)
class Planned:
    """A stage and what would become of it.

    - `current`: the folder of the stage's own name, `runs/<recipe>/<stage>`.
    - `lies`: where the results of this very lock are, finished or begun, if there are any.
    - `missing`: files that the stage had left and that were deleted since.
    """

    name: str
    stage: Stage
    current: Path
    outlook: Outlook
    lock: locks.Lock
    lies: Path | None = None
    missing: tuple[str, ...] = ()

    @property
    def done(self) -> Path | None:
        """The folder of the finished results, if they are there and whole."""
        return self.lies if self.outlook in ("skip", "restore") else None


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


def plan(recipe: Recipe, root: Path = Path("runs"), seeds: Mapping[str, int] | None = None) -> Iterator[Planned]:
    """Tell for each stage, in order, what a run would do with it; nothing is changed.

    The inputs of a stage are hashed when it is its turn. `seeds`: of the stages that have another than the recipe's.

    Raises:
        Refusal: a lock that cannot be read.
    """
    fingerprints: dict[str, str] = {}
    for name, stage in recipe.stages.items():
        needed = {other: fingerprints[other] for other in referenced(stage)}
        lock = locks.lock(name, stage, (seeds or {}).get(name, recipe.seed), needed)
        fingerprints[name] = lock.fingerprint
        yield _planned(name, stage, root / recipe.name / name, lock)


def run(
    recipe: Recipe,
    root: Path = Path("runs"),
    only: Sequence[str] | None = None,
    say: Callable[[str], None] = print,
    *,
    beside: bool = False,
    watch: "Callable[[str, Event], Leave | None]" = lambda _stage, _event: None,
    seeds: Mapping[str, int] | None = None,
    ranks: Ranks = ALONE,
) -> Run:
    """Run a recipe's stages in order, each in `root/<recipe>/<stage>`, and return where everything is.

    `only` names the stages to run; what they refer to must then be done. A stage that was done with the same
    section, inputs, seed and version is skipped, unless files of it were deleted; an interrupted one goes on.
    Results of other settings are kept in `<stage>.<fingerprint>` and never removed. With `beside` it is the results
    of this call that lie there: what bears the stages' own names stays as it is, as a search or a comparison needs;
    several processes may do so at once, and what two of them need is made by the first.
    `watch` is given the stage's name and each event of its training, and stops it by saying what is to be left.
    `seeds`: of the stages that have another than the recipe's. `ranks`: others that join where a stage is in parallel,
    of which this is the first.

    Raises:
        Refusal: another process runs here, or what the stages themselves refuse.
        Stopped: `watch` has stopped a training (`train/events.py`); it goes on when the same is run again.
    """
    _check_names(recipe, only)
    folder, done = root / recipe.name, list[Ran]()
    homes: dict[str, Path] = {}
    with among_others_in(folder) if beside else alone_in(folder):
        for planned in plan(recipe, root, seeds):
            if only and planned.name not in only:
                if planned.done:
                    homes[planned.name] = planned.done
                continue
            missing = [name for name in planned.lock.stages if name not in homes]
            if missing:
                raise Refusal(
                    f"the stage '{planned.name}' needs '{missing[0]}', which is not done with these settings; "
                    f"add '{missing[0]}' to the stages to run"
                )
            place = Place(
                folder=planned.current,
                inputs={name: homes[name] for name in planned.lock.stages},
                fingerprint=planned.lock.fingerprint,
                seed=planned.lock.seed,
                language=recipe.spoken,
                say=say,
                watch=partial(watch, planned.name),
                ranks=ranks if planned.stage.in_parallel else ALONE,
            )
            done.append(_beside_others(planned, place) if beside else _done(planned, place, beside=False))
            homes[planned.name] = done[-1].folder
    return Run(folder, tuple(done))


def _check_names(recipe: Recipe, only: Sequence[str] | None) -> None:
    for name in only or ():
        if name not in recipe.stages:
            known = list(recipe.stages)
            raise Refusal(f"there is no stage '{name}'{nearest(name, known)}; the stages are: {', '.join(known)}")


def _planned(name: str, stage: Stage, current: Path, lock: locks.Lock) -> Planned:
    found = results.find(current, lock.fingerprint)
    if found is None:
        return Planned(name, stage, current, "replace" if results.left(current) else "run", lock)
    folder, earlier = found
    missing: tuple[str, ...] = ()
    outlook: Outlook = "skip" if folder == current else "restore"
    if earlier.state != "done":
        outlook = "run" if stage.standing(folder) is None else "resume"
    elif missing := tuple(earlier.missing(folder)):
        outlook = "redo"
    return Planned(name, stage, current, outlook, lock, folder, missing)


def _beside_others(planned: Planned, place: Place) -> Ran:
    """The stage, done in this call or before, or by another process that is at it now."""
    if planned.done:
        return _done(planned, place, beside=True)
    name, lock = planned.name, planned.lock
    folder, what = planned.current.parent, f"{name}.{lock.fingerprint[: locks.SHOWN]}"
    with one_at_a_time(folder, what, lambda line: place.say(f"{name}: {line}")):
        return _done(_planned(name, planned.stage, planned.current, lock), place, beside=True)


def _done(planned: Planned, place: Place, *, beside: bool) -> Ran:
    """The stage, done in this call or before."""
    name, outlook, say = planned.name, planned.outlook, place.say
    folder, aside = _housed(planned, say, beside=beside)
    if planned.done:
        where = (
            "so it is skipped" if outlook == "skip" else f"in {folder}" if beside else f"taken back from {planned.done}"
        )
        say(f"{name}: done before with the same settings and data, {where}")
        return Ran(name, folder, 0.0, skipped=True)
    if outlook == "redo":
        say(f"{name}: {_short(planned.missing)} was deleted since it was done, so it is done again")
    elif outlook == "resume":
        say(f"{name}: goes on where it was interrupted, at {planned.stage.standing(folder)}")
    else:
        say(f"{name}: {planned.stage.kind}")
    _remove_partial(folder)
    locks.save(folder, planned.lock)
    if beside and planned.lies is None:
        (folder / results.BESIDE).touch()
    begun = time.monotonic()
    try:
        together.call(planned.lock, replace(place, folder=folder))
        planned.stage.run(replace(place, folder=folder))
    except KeyboardInterrupt:
        standing = planned.stage.standing(folder)
        then = f"goes on at {standing}" if standing else "begins anew, since nothing to go on from was kept yet"
        say(f"{name}: stopped; run the same command again and it {then}")
        raise
    except Refusal:
        if aside and not results.left(folder):
            results.put_in_place(aside, folder)
            say(f"{name}: nothing was made, so the earlier results are back in place")
        raise
    seconds = time.monotonic() - begun
    locks.save(folder, planned.lock.done(seconds, folder))
    return Ran(name, folder, seconds, skipped=False)


def _housed(planned: Planned, say: Callable[[str], None], *, beside: bool) -> tuple[Path, Path | None]:
    """The folder in which the stage is done, and where what had its name was put."""
    current, lies = planned.current, planned.lies
    if beside:
        return lies or results.beside(current, planned.lock.fingerprint), None
    if lies == current:
        return current, None
    aside = results.set_aside(current)
    if lies:
        try:
            results.put_in_place(lies, current)
        except Refusal:
            if aside:
                results.put_in_place(aside, current)
            raise
    if aside:
        say(f"{planned.name}: the results of other settings or data are kept in {aside}")
    return current, aside


def _short(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)"


def _remove_partial(folder: Path) -> None:
    """Remove what a killed process was writing here when it ended."""
    for left in [*folder.rglob(".*.partial")]:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
