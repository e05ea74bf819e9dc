"""Examples that are learnt from one another are told where nobody is beside them in their batch."""

import json
from pathlib import Path
from typing import Any

import pytest

import danlu
from danlu.refusal import Refusal

SIZES = {"kind": "scratch", "layers": 1, "width": 16, "heads": 2, "positions": 64, "dropout": 0.0}
PAIRS: list[dict[str, Any]] = [{"text": f"who {n}", "text_pair": f"she {n}"} for n in range(8)]
ALONE = "alone in their batch, so there is nothing to tell them from, and they teach nothing"


def said(folder: Path, rows: list[dict[str, Any]], task: dict[str, Any], train: dict[str, Any]) -> list[str]:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    data, lines = {"kind": "jsonl", "path": str(file)}, list[str]()
    settings = {"steps": 1, "precision": "float32", "threads": 1} | train
    fit = {"kind": "train", "data": data, "tokenizer": "@vocab", "model": SIZES, "task": task, "train": settings}
    stages = {"vocab": {"kind": "tokenizer", "data": data, "tokenizer": {"kind": "wordpiece", "size": 60}}, "fit": fit}
    danlu.run({"name": "tried", "stages": stages}, root=folder / "runs", say=lines.append)
    return [line for line in lines if ALONE in line]


def test_pairs_that_are_all_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=f"fit: all 8 examples are {ALONE}; raise 'batch_tokens', or count examples"):
        said(tmp_path, PAIRS, {"kind": "embed"}, {"batch_examples": 1})


def test_those_that_are_alone_are_counted(tmp_path: Path) -> None:
    long = {"text": "who " * 50, "text_pair": "she " * 50}
    (line,) = said(tmp_path, [*PAIRS, long], {"kind": "embed"}, {"batch_tokens": 128})
    assert line.startswith(f"fit: 1 of 9 examples are {ALONE}")


@pytest.mark.parametrize(
    ("more", "task"), [({"negatives": ["nobody"]}, {"kind": "embed"}), ({"score": 0.5}, {"objective": "cosine"})]
)
def test_what_is_learnt_by_itself_is_not_told(tmp_path: Path, more: dict[str, Any], task: dict[str, Any]) -> None:
    rows = [pair | more for pair in PAIRS]
    if "score" in more:
        rows[0]["score"] = 1.0
    assert said(tmp_path, rows, {"kind": "embed"} | task, {"batch_examples": 1}) == []
