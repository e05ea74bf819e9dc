"""What of a recipe is to become best: a metric of one of its stages, and the stages that it needs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from danlu.evaluate.scoring.examine import SCORES, read_lines, read_scores
from danlu.evaluate.scoring.metric import Metric
from danlu.recipe.part import find, kinds, nearest
from danlu.refusal import Refusal
from danlu.stages.kinds.evaluate import Evaluate
from danlu.stages.kinds.train import Train
from danlu.stages.recipe import Recipe, referenced
from danlu.task.task import Task

LOG = "log.jsonl"


@dataclass(frozen=True)
class Objective:
    """A metric of a stage.

    - `needed`: the stage and all that it refers to, however far, in the order of the recipe.
    - `training`: the stage whose validations tell early how a trial does, and the metric that chooses its weights.
    """

    stage: str
    metric: str
    needed: tuple[str, ...]
    training: str | None
    chosen_by: str | None

    @property
    def higher_is_better(self) -> bool:
        """Whether the metric rises where it gets better."""
        return rises(self.metric)

    def value(self, folder: Path) -> float:
        """What the stage has reached, from what it left in `folder`.

        Raises:
            Refusal: it has left no such number.
        """
        if (folder / SCORES).is_file():
            value = read_scores(folder)["metrics"].get(self.metric, {}).get("value")
        else:
            value = best_validation(folder, self.chosen_by or self.metric).get(self.metric)
        if value is None or not math.isfinite(value):
            raise Refusal(f"{folder}: there is no value of '{self.metric}'; give the stage records that tell it")
        return float(value)


def objective_of(recipe: Recipe, stage: str | None = None, metric: str | None = None) -> Objective:
    """The objective that a recipe names, or that is meant where it names none: its last training's own metric.

    Raises:
        Refusal: there is no such stage or metric, or the stage is of a kind that has none.
    """
    trained = [name for name, section in recipe.stages.items() if isinstance(section, Train)]
    scored = [name for name, section in recipe.stages.items() if isinstance(section, Train | Evaluate)]
    if stage is None and not trained:
        raise Refusal(f"{recipe.name}: no stage trains, so there is nothing to choose by; add a stage of kind train")
    name = stage or trained[-1]
    if name not in scored:
        raise Refusal(
            f"search.objective.stage: '{name}' is no stage that trains or evaluates{nearest(name, scored)}; "
            f"those are: {', '.join(scored)}"
        )
    needed = needed_by(recipe, [name])
    own = [other for other in needed if other in trained]
    section = recipe.stages[own[-1]] if own else None
    task = section.task if isinstance(section, Train) else None
    known = [*(metrics_of(task) if task else ()), *getattr(recipe.stages[name], "metrics", ())] or kinds(Metric)
    if metric is not None and metric not in known:
        raise Refusal(
            f"search.objective.metric: '{name}' does not measure '{metric}'{nearest(metric, known)}; "
            f"it measures: {', '.join(known)}"
        )
    best = find(Metric, metric).best if metric is not None else None  # type: ignore[type-abstract]
    if best is not None:
        raise Refusal(
            f"search.objective.metric: '{metric}' is best at {best:g} and worse on both sides of it; choose another one"
        )
    if metric is None and task is None:
        raise Refusal(f"search.objective: name the metric of '{name}', one of: {', '.join(known)}")
    return Objective(name, metric or known[0], needed, own[-1] if own else None, task.metrics[0] if task else None)


def metrics_of(task: Task) -> tuple[str, ...]:
    """What a task is validated by.

    Raises:
        Refusal: only its records decide that.
    """
    key = task.metrics_by
    if key is not None and getattr(task, key) is None:
        raise Refusal(
            f"the task '{task.kind}' is measured by other metrics as its records are, which are not read yet; write "
            f"the task's '{key}', true or false"
        )
    return task.metrics


def needed_by(recipe: Recipe, names: Sequence[str]) -> tuple[str, ...]:
    """These stages and all that they refer to, however far, in the order of the recipe."""
    wanted = set(names)
    for name in reversed(recipe.stages):
        if name in wanted:
            wanted.update(referenced(recipe.stages[name]))
    return tuple(name for name in recipe.stages if name in wanted)


def reached_by(recipe: Recipe, names: Sequence[str]) -> tuple[str, ...]:
    """These stages and all that refer to them, however far, in the order of the recipe."""
    reached = set(names)
    for name, stage in recipe.stages.items():
        if reached.intersection(referenced(stage)):
            reached.add(name)
    return tuple(name for name in recipe.stages if name in reached)


def best_validation(folder: Path, metric: str | None = None) -> dict[str, float]:
    """The validation of a training that chose its weights, by `metric` or the first; empty where it has none.

    One by which more was forgotten than may be chooses none.
    """
    lines = read_lines(folder / LOG) if (folder / LOG).is_file() else iter(())
    found = [line["validation"] for line in lines if line.get("validation") and not line.get("lost")]
    metric = metric or next(iter(found[0] if found else ()), "")
    told = [each for each in found if each.get(metric) is not None and math.isfinite(each[metric])]
    if not told:
        return {}
    sign = 1 if rises(metric) else -1
    best: dict[str, float] = max(told, key=lambda each: sign * each[metric])  # of equals the first, as in training
    return best


def rises(metric: str) -> bool:
    """Whether a metric rises where it gets better."""
    return find(Metric, metric).higher_is_better  # type: ignore[type-abstract]
