"""Search: many runs of one recipe that differ in some values, each a trial of a study that nothing can break.

A trial is `run` with overrides, beside all other results. What a process that died was at is taken up by the next one,
under the same number, with the same values, from its own checkpoint; what a living one is at is left alone.
"""

import errno
import shlex
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from danlu.machine.alone import among_others_in
from danlu.refusal import Refusal, without_secrets
from danlu.stages.recipe import Recipe, read
from danlu.stages.run import Planned, plan, run
from danlu.trials.left import lighten
from danlu.trials.objective import Objective, objective_of, reached_by
from danlu.trials.space import Source, Space, space_of
from danlu.trials.storage import opened
from danlu.trials.study import MADE, USED, WHY, Trials, pruner, same_as, study_of
from danlu.trials.watching import Watching

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

Say = Callable[[str], None]

HOPELESS = 3  # trials that are refused one after the other, with none that was not


@dataclass
class Searched:
    """What a search has found so far.

    - `command`: the words that take the results of the best trial back, without `danlu`; empty where there is none.
    """

    recipe: Recipe
    objective: Objective
    space: Space
    trials: "list[FrozenTrial]"
    best: "FrozenTrial | None"
    importances: dict[str, float]
    command: list[str] = field(default_factory=list)


def search(
    source: Source,
    overrides: Sequence[str] = (),
    root: Path = Path("runs"),
    storage: str | None = None,
    say: Say = print,
    *,
    run_trials: bool = True,
) -> Searched:
    """Try what the recipe's `search` says until there are as many trials as it wants, and tell what was found.

    The same call goes on with what was interrupted. Several processes may be at it; each ends where no trial is left
    that is not another's. With `run_trials` false, only what is there is told.

    Raises:
        Refusal: a range that its key does not take, before anything begins; or what the stages themselves refuse.
    """
    recipe = read(source, overrides)
    if recipe.search is None:
        raise Refusal(f"{recipe.name}: has no section 'search'; add one with 'ranges', such as {_EXAMPLE}")
    wanted = recipe.search.objective
    objective = objective_of(recipe, wanted.stage if wanted else None, wanted.metric if wanted else None)
    space = space_of(source, overrides, recipe.search.ranges)
    varied = tuple(name for name in reached_by(recipe, space.touched) if name in objective.needed)
    if objective.stage not in varied:
        raise Refusal(
            f"search.ranges: nothing that '{objective.stage}' depends on is sought; the stages that count are: "
            f"{', '.join(objective.needed)}"
        )
    folder = root / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    with among_others_in(folder) if run_trials else nullcontext(), opened(storage, folder, say) as store:
        from danlu.trials.leases import Leases

        shared = [name for name in objective.needed if name not in varied]
        if run_trials and shared:
            run(space.first, root, shared, say, beside=True)
        aim = next(planned for planned in plan(space.first, root) if planned.name == objective.stage)
        study = study_of(store, recipe.name, objective, space, aim.lock.fingerprint)
        study.pruner = pruner(recipe.search)
        with Leases(store.engine) as leases:
            trials = Trials(study, leases, recipe.search)
            at_work = _AtWork(source, list(overrides), root, objective, space, varied, say, trials)
            if run_trials:
                at_work.run_all()
            return at_work.found(recipe)


_EXAMPLE = "ranges: {model.train.rate: {low: 1e-5, high: 1e-3, log: true}}"


_GAVE_OUT = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
"""What goes wrong of the machine, whatever is computed."""


@dataclass
class _AtWork:
    """One process at a study."""

    source: Source
    overrides: list[str]
    root: Path
    objective: Objective
    space: Space
    varied: tuple[str, ...]
    say: Say
    trials: Trials

    def run_all(self) -> None:
        """Run one trial after the other until none is left."""
        there = len(self.trials.all())
        if there:
            self.say(f"search: {there} trials are there; up to {self.trials.settings.trials} are wanted")
        refused = 0
        self._lighten()
        while trial := self.trials.next():
            try:
                why = self._run_one(trial)
            finally:
                self.trials.leave(trial._trial_id)
            self._lighten()
            refused = refused + 1 if why else 0
            if why and refused >= HOPELESS and not self.trials.ended("complete"):
                raise Refusal(f"the first {refused} trials were refused, the last one so: {why}")
        self._lighten()
        if running := self.trials.running():
            numbers = ", ".join(str(one.number) for one in running)
            self.say(f"search: trials {numbers} are run by other processes; the same command tells what came of them")

    def _run_one(self, trial: "Trial") -> str | None:
        """Run a trial to its end; why it came to nothing, if it did."""
        import torch
        from optuna.trial import TrialState

        from danlu.train.events import Stopped

        values = self.space.suggested(trial)
        stood = self.trials.all()[trial.number]
        again = "goes on with " if MADE in stood.user_attrs else ""
        self.say(f"trial {trial.number} of {self.trials.settings.trials}: {again}{' '.join(values)}")
        if (twin := same_as(self.trials.all(), stood)) is not None:
            self.say(f"trial {trial.number}: the same as trial {twin.number}, and so is its result")
            self._tell(trial, twin.value if twin.state == TrialState.COMPLETE else None, twin.state)
            return None
        why = None
        try:
            value = self._value(trial, stood, values)
        except Stopped:
            self._tell(trial, None, TrialState.PRUNED)
            self.say(f"trial {trial.number}: stopped, for it falls behind the others")
        except (Refusal, MemoryError, torch.OutOfMemoryError) as error:
            if _of_the_machine(error):  # with the disk full, say; whoever takes the study up goes on with this trial
                raise
            why = str(error) or "there is not enough memory"
            trial.set_user_attr(WHY, why[:2000])
            self._tell(trial, None, TrialState.FAIL)
            self.say(f"trial {trial.number}: came to nothing: {why}")
        else:
            self._tell(trial, value, TrialState.COMPLETE)
            best = self.trials.best_first()[0]
            told = f"{self.objective.metric} {value:.4f}; best is trial {best.number}: {best.value:.4f}"
            self.say(f"trial {trial.number}: {told}")
        return why

    def _value(self, trial: "Trial", stood: "FrozenTrial", values: list[str]) -> float:
        recipe = read(self.source, [*self.overrides, *values])
        if not {MADE, USED} <= set(stood.user_attrs):
            lies = [planned for planned in plan(recipe, self.root) if planned.name in self.varied]
            if MADE not in stood.user_attrs:
                trial.set_user_attr(MADE, [_folder(each) for each in lies if each.lies is None])
            trial.set_user_attr(USED, [_folder(each) for each in lies])
        watching = Watching(trial, stood, self.objective, partial(self.trials.got_on, trial._trial_id))
        ran = run(recipe, self.root, self.varied, self._of(trial.number), beside=True, watch=watching)
        return self.objective.value(ran[self.objective.stage])

    def _of(self, number: int) -> Say:
        return lambda line: self.say(f"trial {number}: {line}")

    def _tell(self, trial: "Trial", value: float | None, state: Any) -> None:
        self.trials.study.tell(trial.number, value, state, skip_if_finished=True)

    def _lighten(self) -> None:
        """Remove the weights of trials that are not among the best, and what no trial to come will need.

        No trial begins meanwhile, and while one has not yet said what it uses, nothing is removed.
        """
        with self.trials.alone():
            trials = self.trials.all()
            running = self.trials.running(trials)
            if any(USED not in trial.user_attrs for trial in running):
                return
            trained = [
                trial for trial in self.trials.best_first(trials) if USED in trial.user_attrs
            ]  # no repeated ones
            kept = [*trained[: self.trials.settings.keep], *running]
            wanted = {name for trial in kept for name in trial.user_attrs.get(USED, trial.user_attrs.get(MADE, []))}
            later = running or len(trials) < self.trials.settings.trials
            stay = _shared_by_trials(self.space) if later else set()
            made = {name for trial in trials for name in trial.user_attrs.get(MADE, [])}
            gone = [name for name in made - wanted if name.rpartition(".")[0] not in stay]
            lighten(self.root / self.space.first.name, gone)

    def found(self, recipe: Recipe) -> Searched:
        """What the study holds."""
        best = next(iter(self.trials.best_first()), None)
        found = Searched(recipe, self.objective, self.space, self.trials.all(), best, self._importances())
        if best is not None:
            values = [f"{each.key}={each.shown(best.params[each.key])}" for each in self.space.sought]
            own = [each for each in self.overrides if not each.startswith("search.")]
            own += ["seeds=1"] if recipe.seeds > 1 else []  # a trial is a run of one seed
            there = [] if self.root == Path("runs") else ["--root", str(self.root)]
            found.command = [without_secrets(word) for word in ("run", str(self.source), *own, *values, *there)]
        return found

    def _importances(self) -> dict[str, float]:
        """What share of the differences each value makes; nothing where too little is known."""
        from optuna.importance import get_param_importances

        complete = self.trials.ended("complete")
        if len(complete) < 4 or len({trial.value for trial in complete}) < 2:
            return {}
        try:
            return dict(get_param_importances(self.trials.study))
        except (RuntimeError, ValueError):  # of values that do not differ nothing can be told
            return {}


def _of_the_machine(error: BaseException) -> bool:
    """Whether the disk or the memory of the machine gave out, which no value of a trial has brought about."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in _GAVE_OUT:
        return True
    return cause is not None and _of_the_machine(cause)


def _folder(planned: Planned) -> str:
    return f"{planned.name}.{planned.lock.fingerprint}"


def _shared_by_trials(space: Space) -> set[str]:
    """The stages whose results other trials are likely to need: only choices reach them, and not all that is sought."""
    reached = [set(reached_by(space.first, sorted(touched))) for touched in space.touches]
    apart = set[str]().union(*(names for each, names in zip(space.sought, reached, strict=True) if not each.choices))
    return set[str]().union(*reached) - apart - set[str].intersection(*reached)


def command_line(words: Sequence[str]) -> str:
    """A command as it is typed."""
    return shlex.join(["danlu", *words])
