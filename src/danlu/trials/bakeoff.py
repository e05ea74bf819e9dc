"""Bake-off: one recipe with several methods of tuning, beside each other in quality and in what they cost."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any

from danlu.evaluate.scoring.examine import SCORES, read_lines, read_scores
from danlu.machine.alone import among_others_in
from danlu.machine.files import write_text
from danlu.recipe.commented import inline
from danlu.recipe.part import nearest
from danlu.recipe.read import keyed
from danlu.refusal import Refusal
from danlu.stages.kinds.evaluate import Evaluate
from danlu.stages.kinds.train import Train
from danlu.stages.recipe import Recipe, read, referenced
from danlu.stages.run import Planned, plan, run
from danlu.stages.size import NAME as SIZE
from danlu.trials.measured import COST, measure
from danlu.trials.objective import LOG, best_validation, metrics_of, needed_by, reached_by
from danlu.trials.space import Source

NAME, RETAINED = "bakeoff.json", "retained.json"

_SETTING = re.compile(r"[A-Za-z_][\w.]*=")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Baked:
    """What one method has reached and cost; of several seeds means, and the ends of what they reached.

    - `low`, `high`: of one seed the interval of the evaluation, of several the lowest and the highest value.
    - `added`: bytes on disk of what was added to the base, or of the whole bundle.
    - `retained`: what other data say before and after, where the training was asked to look.
    - `refused`: why there is nothing, or nothing of some seeds; `seeds`: how many there is something of.
    """

    method: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    trained: int | None = None
    parameters: int | None = None
    peak_bytes: int | None = None
    seconds: float | None = None
    added: int | None = None
    retained: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: str | None = None
    seeds: int = 1

    @property
    def share(self) -> float | None:
        """What share of the parameters was trained."""
        return self.trained / self.parameters if self.trained is not None and self.parameters else None


@dataclass(frozen=True)
class Bakeoff:
    """The methods side by side, by `metric` of the stage `scored`."""

    recipe: Recipe
    stage: str
    scored: str
    metric: str
    seeds: int
    rows: tuple[Baked, ...]

    def to_plain(self) -> dict[str, Any]:
        """What stands in `bakeoff.json`."""
        told = {"recipe": self.recipe.name, "stage": self.stage, "scored": self.scored, "metric": self.metric}
        return told | {"seeds": self.seeds, "methods": [asdict(row) | {"share": row.share} for row in self.rows]}


def bakeoff(
    source: Source,
    methods: Sequence[str],
    overrides: Sequence[str] = (),
    root: Path = Path("runs"),
    say: Say = print,
    *,
    seeds: int | None = None,
    stage: str | None = None,
) -> Bakeoff:
    """Train and score a recipe once for each method, such as `lora` or `lora:rank=4:train.rate=1e-3`.

    With several `seeds` (None: as many as the recipe asks for) so many times, from its seed on.

    Each training has a process of its own. The same call goes on with what was interrupted; a method that the model
    or the task cannot carry has its reason in its row.

    Raises:
        Refusal: there is no such method or setting, before anything begins; or what the other stages refuse.
    """
    recipe = read(source, overrides)
    seeds = seeds or recipe.seeds
    if not methods or len(set(methods)) < len(methods):
        raise Refusal(f"--methods: expected methods that differ, such as full,lora, not '{','.join(methods)}'")
    name = _trained(recipe, stage)
    changes = {method: [*overrides, *_changes(method, name)] for method in methods}
    recipes = {method: read(source, given) for method, given in changes.items()}
    tests = [other for other, section in recipe.stages.items() if isinstance(section, Evaluate)]
    scored = next((other for other in tests if name in referenced(recipe.stages[other])), name)
    section = recipe.stages[name]
    assert isinstance(section, Train)
    metric = metrics_of(section.task)[0]
    varied = reached_by(recipe, [name])
    rows = []
    with among_others_in(root / recipe.name):
        shared = [other for other in needed_by(recipe, [scored]) if other not in varied]
        if shared:
            run(recipe, root, shared, say, beside=True)
        for method, given in changes.items():
            found, lost = list[Baked](), list[str]()
            for seed in range(recipe.seed, recipe.seed + seeds):
                told = _of(method if seeds == 1 else f"{method}, seed {seed}", say)
                chosen = dict.fromkeys(varied, seed)
                try:
                    _train(source, given, recipes[method], root, name, chosen, told)
                except Refusal as refusal:
                    told(str(refusal))
                    lost.append(str(refusal))
                    if not found:
                        break
                    continue
                if scored != name:  # what this refuses is no matter of the method, and would be refused of all
                    run(recipes[method], root, [name, scored], told, beside=True, seeds=chosen)
                found.append(_baked(method, recipes[method], root, name, scored, metric, chosen))
            row = _together(found, seeds) if found else Baked(method, seeds=0)
            rows.append(replace(row, refused=lost[-1] if lost else None))
    baked = Bakeoff(recipe, name, scored, metric, seeds, tuple(rows))
    write_text(root / recipe.name / NAME, json.dumps(baked.to_plain(), ensure_ascii=False, indent=1) + "\n")
    return baked


def split_methods(text: str) -> list[str]:
    """`full,lora:targets=[q,v]` as its methods; commas in brackets or quotes part nothing."""
    return [method.strip() for method in _parted(text, ",") if method.strip()]


def _parted(text: str, mark: str) -> list[str]:
    """The pieces between the marks, one letter each, that stand in no brackets or quotes."""
    pieces, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"" and pieces[-1].rstrip()[-1:] in ("", *"=[{,:"):  # else an apostrophe
            quote = letter
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth = max(0, depth - 1)
        elif letter == mark and not depth:
            pieces.append("")
            continue
        pieces[-1] += letter
    return pieces


def _trained(recipe: Recipe, stage: str | None) -> str:
    trained = [name for name, section in recipe.stages.items() if isinstance(section, Train)]
    if not trained:
        raise Refusal(f"{recipe.name}: no stage trains, so there is no method to compare; add a stage of kind train")
    if stage is not None and stage not in trained:
        raise Refusal(f"--stage: '{stage}' does not train{nearest(stage, trained)}; those are: {', '.join(trained)}")
    return stage or trained[-1]


def _changes(method: str, stage: str) -> list[str]:
    """The overrides that a method is: its section, and what it says of the training."""
    kind, _, rest = method.partition(":")
    settings, pieces = list[str](), _parted(rest, ":") if rest else []
    for piece in pieces:
        within = piece.strip() or pieces[-1].strip()  # else the last colon has nothing behind it
        if settings and within and not _SETTING.match(piece.strip()):  # a colon within a text
            settings[-1] += f":{piece}"
        else:
            settings.append(piece.strip())
    wrong = next((each for each in settings if not _SETTING.match(each)), None)
    if wrong is not None:
        raise Refusal(f"--methods: '{wrong}' in '{method}' is no key=value; write, for example, lora:rank=4")
    own = [setting for setting in settings if not setting.startswith("train.")]
    section = {"kind": kind.strip()} | keyed(own)
    return [f"{stage}.tuning={inline(section)}", *(f"{stage}.{each}" for each in settings if each not in own)]


def _of(method: str, say: Say) -> Say:
    return lambda line: say(f"{method}: {line}")


def _train(
    source: Source, overrides: list[str], recipe: Recipe, root: Path, name: str, seeds: dict[str, int], say: Say
) -> None:
    """Train in a process of its own, unless that was done."""
    planned = _planned(recipe, root, name, seeds)
    if planned.done:
        say(f"{name}: done before with the same settings and data, in {planned.done}")
        return
    measure(source, overrides, root, name, seeds, say)


def _planned(recipe: Recipe, root: Path, name: str, seeds: dict[str, int]) -> Planned:
    return next(planned for planned in plan(recipe, root, seeds) if planned.name == name)


def _baked(
    method: str, recipe: Recipe, root: Path, name: str, scored: str, metric: str, seeds: dict[str, int]
) -> Baked:
    """What the stages of one seed have left."""
    places = {each.name: each.done for each in plan(recipe, root, seeds)}
    folder, results = places[name], places[scored]
    assert folder is not None
    assert results is not None
    measured: dict[str, Any] = {"value": best_validation(folder).get(metric)}
    if (results / SCORES).is_file():
        measured = read_scores(results)["metrics"][metric]
    size, cost = _json(folder / SIZE), _json(folder / COST)
    added = folder / "adapter" if (folder / "adapter").is_dir() else folder / "bundle"
    return Baked(
        method,
        measured.get("value"),
        measured.get("low"),
        measured.get("high"),
        size.get("trained"),
        size.get("parameters"),
        cost.get("peak_bytes"),
        sum(line.get("seconds", 0.0) for line in read_lines(folder / LOG)),
        sum(path.stat().st_size for path in added.rglob("*") if path.is_file()),
        {key: each for key, each in _json(folder / RETAINED).items() if "after" in each},
    )


def _json(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def _together(found: Sequence[Baked], seeds: int) -> Baked:
    """One row of so many seeds, of which some came to nothing: means, and the ends of what they reached."""
    if seeds == 1:
        return found[0]
    values = [each.value for each in found if each.value is not None]
    peaks = [each.peak_bytes for each in found if each.peak_bytes is not None]
    whole = replace(found[0], seconds=mean(each.seconds or 0.0 for each in found), seeds=len(found))
    whole = replace(whole, peak_bytes=max(peaks, default=None), retained=_means([each.retained for each in found]))
    if not values:
        return whole
    return replace(whole, value=mean(values), low=min(values), high=max(values))


def _means(told: Sequence[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """What was retained, averaged over seeds, of what all of them tell."""
    return {
        name: first | {key: mean(each[name][key] for each in told) for key in ("before", "after", "forgetting")}
        for name, first in told[0].items()
        if all(name in each for each in told)
    }
