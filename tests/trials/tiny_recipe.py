"""A recipe whose trainings take a moment, with ranges to search."""

from pathlib import Path
from typing import Any

TEXTS = ("好书", "坏书", "很好看", "太差了", "喜欢它", "讨厌它", "真不错", "真糟糕")


def made(folder: Path) -> dict[str, Any]:
    """Its file `rows.csv` lies in `folder`; trainings take four steps and are validated after each second."""
    rows = [f"{text}{number},{('good', 'bad')[place % 2]}" for place, text in enumerate(TEXTS) for number in range(3)]
    file = folder / "rows.csv"
    file.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    model = {
        "kind": "train",
        "data": "@clean",
        "tokenizer": "@vocab",
        "model": {"kind": "scratch", "layers": 1, "width": 16, "heads": 2, "positions": 16},
        "task": "classify",
        "train": {
            "steps": 4,
            "rate": 1e-3,
            "batch_examples": 4,
            "evaluate": 2,
            "precision": "float32",
            "threads": 1,
            "checkpoint_seconds": 1e-6,
        },
    }
    split = {"validation": 0.3, "test": 0.2}
    return {
        "name": "tried",
        "stages": {
            "clean": {"kind": "prepare", "data": {"kind": "csv", "path": str(file)}, "dedup": "none", "split": split},
            "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "char", "min_frequency": 1}},
            "model": model,
            "test": {"kind": "evaluate", "bundle": "@model", "data": "@clean:test", "baseline": "none"},
        },
        "search": {
            "trials": 4,
            "pruner": "none",
            "ranges": {
                "model.train.rate": {"low": 1e-4, "high": 0.1, "log": True},
                "model.train.batch_examples": [2, 4],
            },
        },
    }
