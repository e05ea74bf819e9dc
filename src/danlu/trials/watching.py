"""A training that is watched for a search: its validations go to the study, which may stop it."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from danlu.trials.objective import Objective, rises

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

    from danlu.train.events import Event, Leave


STEPS = "steps"
"""Of a trial: the steps at which it was validated."""


class Watching:
    """What `run` calls with each event of a trial's trainings.

    Trials are compared at equal numbers of validations. One that a resumed training repeats was told before.
    """

    def __init__(
        self, trial: "Trial", stood: "FrozenTrial", objective: Objective, got_on: Callable[[], object]
    ) -> None:
        """`stood`: the trial as it was left, with the steps at which it was validated.

        `got_on` is called at the first checkpoint.
        """
        self._trial, self._objective, self._got_on = trial, objective, got_on
        self._kept = False
        self._steps: list[int] = list(stood.user_attrs.get(STEPS, []))
        self._told = set(stood.intermediate_values)
        chosen_by = objective.chosen_by or objective.metric
        self._sign = 1 if rises(chosen_by) == objective.higher_is_better else -1  # the study has one direction

    def __call__(self, stage: str, event: "Event") -> "Leave | None":
        """Tell of a validation, and whether the training is to stop."""
        from danlu.train.events import Saved, Validated

        if isinstance(event, Saved) and not self._kept:
            self._kept = True
            self._got_on()
        if stage != self._objective.training or not isinstance(event, Validated):
            return None
        step = int(event.line["step"])
        measured = event.line["validation"]
        assert isinstance(measured, dict)
        value = measured.get(self._objective.chosen_by, math.nan)
        if step not in self._steps and math.isfinite(value) and not event.line.get("lost"):
            self._steps.append(step)
            if len(self._steps) not in self._told:  # a kill may have come between the two lines below
                self._trial.report(self._sign * value, len(self._steps))
            self._trial.set_user_attr(STEPS, self._steps)
        return "checkpoint" if self._trial.should_prune() else None
