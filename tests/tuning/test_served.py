"""What is not merged serves beside its base, from recipe to bundle."""

import json
from pathlib import Path
from typing import Any

import pytest

import danlu
from danlu.bundle.adapt import adapt
from danlu.bundle.verify import verify

TEXTS = ["好 w1 东西3", "坏 w2"]


@pytest.mark.parametrize("tuning", [{"kind": "adapter", "size": 4}, {"kind": "prompt", "text": "好 w1", "size": 6}])
def test_a_base_is_served_by_what_was_added(tmp_path: Path, tuning: dict[str, Any]) -> None:
    rows = [{"text": f"{'好坏'[row % 2]} w{row % 7} 东西{row}", "label": "gb"[row % 2]} for row in range(40)]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    data = {"kind": "jsonl", "path": str(tmp_path / "rows.jsonl")}
    settings = {"steps": 8, "rate": 1e-2, "batch_tokens": 64, "precision": "bfloat16"}
    model = {"kind": "scratch", "layers": 1, "width": 32, "heads": 2, "positions": 48}
    train = {"kind": "train", "data": data, "task": "classify", "train": settings}
    vocabulary = {"kind": "wordpiece", "size": 60, "min_frequency": 1}
    split = {"validation": 0.2, "test": 0.0}
    stages = {
        "clean": {"kind": "prepare", "data": data, "dedup": "none", "split": split},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": vocabulary},
        "base": train | {"tokenizer": "@vocab", "model": model},
        "tuned": train | {"model": {"kind": "pretrained", "path": "@base"}, "tuning": tuning},
    }
    run = danlu.run({"name": "served", "stages": stages}, root=tmp_path, say=lambda line: None)
    bundle, base = danlu.load(run["tuned"]), danlu.load(run["base"])
    assert bundle.serves == tuning["kind"]
    assert bundle.predict(TEXTS) != bundle.predict(TEXTS, "base") == base.predict(TEXTS)
    assert verify(run["tuned"]) == []
    beside = danlu.load(adapt(run["base"], run["tuned"], "small", tmp_path / "copy"))
    for _ in range(2):  # switched to and fro
        assert beside.predict(TEXTS, "small") == bundle.predict(TEXTS)
        assert beside.predict(TEXTS) == base.predict(TEXTS)
