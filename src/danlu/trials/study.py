"""A study: its trials, each of which has one number, one set of values, and one process that runs it at a time."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from danlu.machine.seed import generator
from danlu.recipe.search import Search
from danlu.trials.objective import Objective
from danlu.trials.space import Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial, Trial

    from danlu.trials.leases import Leases

MADE, USED, WHY, TAKEN = "made", "used", "why", "taken"
"""Of a trial: the folders that it has made, those that it needs, its own among them, why it came to nothing, and how
many processes have had it since its last checkpoint."""

MOST_KILLED = 3
"""Processes that a trial may end without having kept a checkpoint; each has to be begun by somebody."""


@dataclass(frozen=True)
class Trials:
    """The trials of a study, as many as there are to be."""

    study: "Study"
    leases: "Leases"
    settings: Search

    def next(self) -> "Trial | None":
        """A trial of this process's own: one that a dead process was at, or a new one; None where all are taken."""
        import optuna

        with self.alone():
            found = None
            there = self.all()
            for trial in self.running(there):
                if self._taken(trial._trial_id) and not self._hopeless(trial):
                    found = trial._trial_id
                    break
            if found is None:
                if len(there) >= self.settings.trials:
                    return None
                found = self.study.ask()._trial_id
                self.leases.take(found)
                self._count(found, 1)
        number = self.study._storage.get_trial_number_from_id(found)
        self.study.sampler = sampler(self.settings, number)
        return optuna.trial.Trial(self.study, found)

    def leave(self, trial: int) -> None:
        """Give a trial of this process back, ended or not; one that is not ended was not what ended a process."""
        if not self.study._storage.get_trial(trial).state.is_finished():
            self._count(trial, -1)
        self.leases.leave(trial)

    def _hopeless(self, trial: "FrozenTrial") -> bool:
        """Whether a trial that was taken has ended so many processes without getting on that it is told as failed."""
        if self._count(trial._trial_id, 1) <= MOST_KILLED:
            return False
        killed = (
            f"its process was ended from outside {MOST_KILLED} times before it kept a checkpoint; where that was the "
            "system, memory is short: try narrower ranges"
        )
        self.study._storage.set_trial_user_attr(trial._trial_id, WHY, killed)
        import optuna

        self.study.tell(trial.number, None, optuna.trial.TrialState.FAIL, skip_if_finished=True)
        self.leases.leave(trial._trial_id)
        return True

    def got_on(self, trial: int) -> None:
        """Note that a trial of this process has kept a checkpoint, from which it goes on whatever becomes of this."""
        self.study._storage.set_trial_user_attr(trial, TAKEN, 1)

    def _count(self, trial: int, change: int) -> int:
        """How many processes have had a trial since its last checkpoint, this one among them, and not left it."""
        count = int(self.study._storage.get_trial(trial).user_attrs.get(TAKEN, 0)) + change
        self.study._storage.set_trial_user_attr(trial, TAKEN, count)
        return count

    def alone(self) -> AbstractContextManager[None]:
        """While this is held no other process begins a trial."""
        return self.leases.held(-1 - self.study._study_id)

    def all(self) -> "list[FrozenTrial]":
        """All trials as they stand, by number."""
        return self.study.get_trials(deepcopy=False)

    def running(self, among: "Sequence[FrozenTrial] | None" = None) -> "list[FrozenTrial]":
        """Those that are not ended, `among` trials that were read before or as they stand now."""
        return [trial for trial in (self.all() if among is None else among) if not trial.state.is_finished()]

    def ended(self, state: str) -> "list[FrozenTrial]":
        """Those that ended as complete, pruned or failed."""
        word = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}[state]
        return [trial for trial in self.all() if trial.state.name == word]

    def best_first(self, among: "Sequence[FrozenTrial] | None" = None) -> "list[FrozenTrial]":
        """The complete ones, the best first; of equals the earlier; `among` as for `running`."""
        sign = -1 if self.study.direction.name == "MAXIMIZE" else 1
        complete = [trial for trial in (self.all() if among is None else among) if trial.state.name == "COMPLETE"]
        return sorted(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))

    def _taken(self, trial: int) -> bool:
        """Whether this process has taken a trial that is not ended, which another may have told since it was read."""
        if not self.leases.take(trial):
            return False
        if not self.study._storage.get_trial(trial).state.is_finished():
            return True
        self.leases.leave(trial)
        return False


def study_of(storage: "RDBStorage", name: str, objective: Objective, space: Space, fingerprint: str) -> "Study":
    """The study of a recipe's search; another objective, range, recipe or other data have another study.

    `fingerprint`: of the objective's stage with the first value of each range.
    """
    import optuna
    from optuna.study import StudyDirection

    told = [objective.stage, objective.metric, fingerprint, [repr(each) for each in space.sought]]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]
    direction = StudyDirection.MAXIMIZE if objective.higher_is_better else StudyDirection.MINIMIZE
    return optuna.create_study(storage=storage, study_name=f"{name}.{digest}", load_if_exists=True, direction=direction)


def sampler(settings: Search, number: int) -> Any:
    """What chooses the values of a trial: by its number and what is known, not by who asks and when it began."""
    import optuna

    seed = int(generator(settings.seed, "search", number).integers(2**31))
    if settings.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)


def pruner(settings: Search) -> Any:
    """What stops a trial by its validations."""
    import optuna

    pruners = optuna.pruners
    known = {
        "none": pruners.NopPruner,
        "median": pruners.MedianPruner,
        "halving": pruners.SuccessiveHalvingPruner,
        "hyperband": pruners.HyperbandPruner,
    }
    return known[settings.pruner]()


def same_as(trials: "Sequence[FrozenTrial]", trial: "FrozenTrial") -> "FrozenTrial | None":
    """A trial that tried the same and came to an end."""
    ended = (other for other in trials if other.state.name in ("COMPLETE", "PRUNED"))
    return next((other for other in ended if other.params == trial.params), None)
