"""An examination of records that are asked otherwise as well: changed, or with terms swapped."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from danlu.data.record import Record
from danlu.evaluate.perturbing.perturbation import Perturbation
from danlu.evaluate.perturbing.terms import Groups
from danlu.evaluate.scoring.examine import Examination
from danlu.evaluate.scoring.fairness import SWAPPED, scored_swapped
from danlu.evaluate.scoring.robustness import UNDER, Predict, scored_under
from danlu.task.pairs import HEAD, in_columns
from danlu.task.task import Task


def asked_otherwise_too(
    found: Examination,
    task: Task,
    predict: Predict,
    records: Sequence[Record],
    *,
    under: Sequence[Perturbation] = (),
    groups: Groups | None = None,
    metrics: Sequence[str] = (),
    resamples: int = 1000,
    seed: int = 0,
) -> Examination:
    """The examination with what comes of each change, and of swapping the terms of each group.

    Raises:
        Refusal: what a change or the task refuses.
    """
    beside: dict[str, Any] = {}
    if HEAD in task.columns:
        records = [in_columns(record) for record in records]
    draws: dict[str, Any] = {"resamples": resamples, "seed": seed}
    if under:
        beside[UNDER] = scored_under(task, predict, records, found.side, under, metrics=metrics, **draws)
    if groups:
        beside[SWAPPED] = scored_swapped(task, predict, records, found.side, groups, **draws)
    return replace(found, beside=found.beside | beside) if beside else found
