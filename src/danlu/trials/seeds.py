"""One recipe with several seeds: how far its results spread, and the best of them under the stages' own names.

What comes before the first training keeps the recipe's seed, so that all seeds see the same data, split and tokenizer;
from the first stage that trains on, everything has the seed, the next one, and so on. Each is a run beside the others,
so that what was interrupted goes on, and more seeds later cost no more than themselves.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from danlu.evaluate.reporting.sections.seeds import NAME
from danlu.evaluate.scoring.examine import SCORES, read_scores
from danlu.machine.alone import among_others_in
from danlu.machine.files import write_text
from danlu.recipe.lock import load
from danlu.refusal import Refusal
from danlu.stages.kinds.train import Train
from danlu.stages.recipe import Recipe
from danlu.stages.run import Run, plan, run
from danlu.trials.objective import Objective, best_validation, objective_of, reached_by

if TYPE_CHECKING:
    from danlu.train.events import Event, Leave

Say = Callable[[str], None]


@dataclass(frozen=True)
class Seeded:
    """What several seeds have reached; `run` is that of the best of them.

    - `values`: by stage and metric, one number a seed, in the order of `seeds`.
    - `fingerprints`: of the best one's stages.
    """

    run: Run
    seeds: tuple[int, ...]
    best: int
    chosen_by: str
    values: dict[str, dict[str, list[float]]]
    fingerprints: dict[str, str]

    def to_plain(self) -> dict[str, Any]:
        """What stands in `seeds.json`."""
        return {
            "seeds": list(self.seeds),
            "best": self.best,
            "chosen_by": self.chosen_by,
            "fingerprints": self.fingerprints,
            "metrics": {
                stage: {metric: spread(values) for metric, values in metrics.items()}
                for stage, metrics in self.values.items()
            },
        }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation of a sample, and ends of some values."""
    deviation = stdev(values) if len(values) > 1 else 0.0
    return {"mean": mean(values), "std": deviation, "min": min(values), "max": max(values), "values": list(values)}


def run_seeds(
    recipe: Recipe,
    root: Path = Path("runs"),
    only: Sequence[str] | None = None,
    say: Say = print,
    *,
    beside: bool = False,
    watch: "Callable[[str, Event], Leave | None]" = lambda _stage, _event: None,
) -> Seeded:
    """Run a recipe with `recipe.seeds` seeds, and give the best, chosen by validation, the stages' own names.

    Raises:
        Refusal: nothing in it trains, or its trainings are not validated, or what the stages themselves refuse.
    """
    objective = objective_of(recipe)
    trained = [name for name, stage in recipe.stages.items() if isinstance(stage, Train)]
    varied = reached_by(recipe, trained)
    if only and not set(only).intersection(varied):
        raise Refusal(f"--only {only[0]}: does not depend on a seed; leave out 'seeds', or name a stage that trains")
    seeds = tuple(range(recipe.seed, recipe.seed + recipe.seeds))
    runs, values = dict[int, Run](), dict[str, dict[str, list[float]]]()
    with among_others_in(root / recipe.name):
        for seed in seeds:
            told = _of(seed, say)
            runs[seed] = run(recipe, root, only, told, beside=True, watch=watch, seeds=dict.fromkeys(varied, seed))
            _add(values, runs[seed], varied)
    best = _best(recipe, root, objective, runs, varied)
    chosen = runs[best]
    if not beside:
        chosen = run(recipe, root, only, _of(best, say), seeds=dict.fromkeys(varied, best))
    locks = {stage.name: load(stage.folder) for stage in chosen.stages if stage.name in varied}
    prints = {name: lock.fingerprint for name, lock in locks.items() if lock}
    by = f"{objective.stage}: {objective.chosen_by}"
    found = Seeded(chosen, seeds, best, by, _whole(values, len(seeds)), prints)
    if not beside:  # the file is of what bears the stages' own names
        _write(root / recipe.name / NAME, found.to_plain())
    return found


def _write(file: Path, told: dict[str, Any]) -> None:
    """Write `seeds.json`; what an earlier call tells of stages that build on these results and no others stays."""
    try:
        earlier = json.loads(file.read_text(encoding="utf-8"))
        if all(earlier[key] == told[key] for key in ("seeds", "best", "chosen_by")):
            prints = earlier["fingerprints"] | told["fingerprints"]
            stay = [
                name for name in earlier["metrics"] if name in told["metrics"] or _stands(file.parent, name, prints)
            ]
            for key in ("fingerprints", "metrics"):
                told[key] = {name: earlier[key][name] for name in stay} | told[key]
    except (OSError, ValueError, KeyError, TypeError):  # none there, or not ours
        pass
    write_text(file, json.dumps(told, ensure_ascii=False, indent=1) + "\n")


def _stands(runs: Path, name: str, prints: dict[str, str]) -> bool:
    """Whether results under a stage's own name are those that were told of, and so are all that they build on."""
    lock = load(runs / name)
    if lock is None or lock.fingerprint != prints.get(name):
        return False
    return all(
        prints[stage] == built and _stands(runs, stage, prints)
        for stage, built in lock.stages.items()
        if stage in prints
    )


def _of(seed: int, say: Say) -> Say:
    return lambda line: say(f"seed {seed}: {line}")


def _add(values: dict[str, dict[str, list[float]]], ran: Run, varied: Sequence[str]) -> None:
    """Put in what a seed has reached: of a training what chose its weights, of an evaluation its scores."""
    for stage in ran.stages:
        if stage.name not in varied:
            continue
        measured = _measured(stage.folder)
        for metric, value in measured.items():
            values.setdefault(stage.name, {}).setdefault(metric, []).append(value)


def _measured(folder: Path) -> dict[str, float]:
    if (folder / SCORES).is_file():
        metrics = read_scores(folder)["metrics"]
        return {kind: each["value"] for kind, each in metrics.items() if each["value"] is not None}
    return best_validation(folder)


def _whole(values: dict[str, dict[str, list[float]]], seeds: int) -> dict[str, dict[str, list[float]]]:
    """Without what some seeds could not tell."""
    return {
        stage: {metric: each for metric, each in metrics.items() if len(each) == seeds}
        for stage, metrics in values.items()
    }


def _best(recipe: Recipe, root: Path, objective: Objective, runs: dict[int, Run], varied: Sequence[str]) -> int:
    """The seed whose last training was best on its validation records; where it was not validated, the first."""
    sign = 1 if objective.higher_is_better else -1
    reached = {}
    for seed, ran in runs.items():
        folder = {stage.name: stage.folder for stage in ran.stages}.get(objective.stage)
        if folder is None:  # not among the stages of this call
            planned = plan(recipe, root, dict.fromkeys(varied, seed))
            folder = next(each.done for each in planned if each.name == objective.stage)
        if folder is not None:
            value = best_validation(folder, objective.metric).get(objective.metric)
            if value is not None:
                reached[seed] = sign * value
    return max(reached, key=lambda seed: reached[seed], default=next(iter(runs)))
