"""A training after which everything is answered alike says so, and scores say it too."""

import json
from pathlib import Path

import pytest

import danlu

SIZES = {"kind": "scratch", "layers": 1, "width": 16, "heads": 2, "positions": 32, "dropout": 0.0}
TRAIN = {"steps": 40, "rate": 1e-2, "batch_examples": 24, "precision": "float32", "threads": 1, "evaluate": 20}


def said(folder: Path, texts: tuple[str, str], language: str) -> list[str]:
    """What a training and an evaluation say where these two texts have the labels 'good' and 'bad'."""
    folder.mkdir()
    file = folder / "records.jsonl"
    rows = [{"text": texts[place % 2], "label": ("good", "bad")[place % 2]} for place in range(24)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    data = {"kind": "jsonl", "path": str(file)}
    fit = {"kind": "train", "data": data, "validation": data, "tokenizer": "@vocab", "model": SIZES, "train": TRAIN}
    stages = {
        "vocab": {"kind": "tokenizer", "data": data, "tokenizer": {"kind": "wordpiece", "size": 40}},
        "fit": fit | {"task": {"kind": "classify"}},
        "test": {"kind": "evaluate", "bundle": "@fit", "data": data, "baseline": "none"},
    }
    lines: list[str] = []
    danlu.run({"name": "tried", "language": language, "stages": stages}, root=folder / "runs", say=lines.append)
    return lines


@pytest.mark.parametrize(
    ("language", "advice", "scored"),
    [
        ("en", "it has learnt next to nothing: try a lower or a higher 'rate' than 0.01, more steps than 40", "alike"),
        ("zh", "它几乎什么也没有学到", "回答都一样"),
    ],
)
def test_a_model_that_cannot_tell_records_apart_is_told(
    language: str, advice: str, scored: str, tmp_path: Path
) -> None:
    lines = said(tmp_path / "same", ("the same", "the same"), language)
    assert [line for line in lines if line.startswith("fit: ") and advice in line]
    assert sum(scored in line for line in lines) == 2  # once of the training, once beside the scores


def test_nothing_is_said_of_a_model_that_has_learnt(tmp_path: Path) -> None:
    lines = said(tmp_path / "other", ("well done", "too bad"), "en")
    assert not [line for line in lines if "alike" in line or "learnt next to nothing" in line]
