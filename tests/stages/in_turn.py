"""Two small tasks to be learnt in turn, for the tests of the stage `continual`."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import danlu
from danlu.stages.run import Run
from danlu.stages.stage import Place, Stage

MODEL = {"kind": "scratch", "layers": 1, "width": 16, "heads": 2, "positions": 32, "dropout": 0.1}
TRAIN = {"steps": 8, "rate": 2e-2, "batch_examples": 8, "precision": "float32", "evaluate": 100}
LETTERS = {
    "colours": ("红蓝绿", "warm cold mild"),
    "animals": ("猫狗鸟", "fur bone wing"),
}


def write(path: Path, letters: str, labels: list[str], rows: int = 30) -> dict[str, Any]:
    dice = random.Random(letters)
    lines = []
    for row in range(rows):
        text = "".join(dice.choices("的了很我", k=dice.randint(0, 2))) + letters[row % len(letters)]
        lines.append(json.dumps({"text": text, "label": labels[row % len(labels)]}))
    path.write_text("\n".join(lines))
    return {"kind": "jsonl", "path": str(path)}


def prepared(root: Path) -> Run:
    """Two tasks of other labels, and a tokenizer."""
    stages: dict[str, Any] = {}
    for name, (letters, labels) in LETTERS.items():
        data = write(root / f"{name}.jsonl", letters, labels.split())
        split = {"validation": 0.2 if name == "animals" else 0.0, "test": 0.2}
        stages[name] = {"kind": "prepare", "data": data, "dedup": "none", "split": split}
    stages["vocab"] = {"kind": "tokenizer", "data": ["@colours", "@animals"], "tokenizer": {"kind": "char", "size": 40}}
    return danlu.run({"name": "made", "stages": stages}, root=root, say=lambda line: None)


def section(**fields: Any) -> dict[str, Any]:
    tasks = {name: {"data": f"@{name}", "task": "classify"} for name in ("colours", "animals")}
    plain = {"kind": "continual", "tasks": tasks, "tokenizer": "@vocab", "model": MODEL, "train": TRAIN}
    return plain | {"remedies": [{"kind": "replay", "budget": 4}]} | fields


def at(made: Run, folder: Path, say: Callable[[str], None] = lambda line: None) -> Place:
    return Place(folder, {name: made[name] for name in (*LETTERS, "vocab")}, "one", 0, "en", say)


def run(made: Run, folder: Path, say: Callable[[str], None] = lambda line: None, **fields: Any) -> dict[str, Any]:
    Stage.model_validate(section(**fields)).run(at(made, folder, say))
    found: dict[str, Any] = json.loads((folder / "continual.json").read_text())
    return found
