"""A training after which everything is answered alike says so, and scores say it too."""

import json
from pathlib import Path

import pytest

import danlu
from danlu.stages.alike import SaidAlike
from danlu.stages.stage import Place
from danlu.task.tasks.classify import Classify
from danlu.train.events import Validated

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


def test_the_best_step_tells_and_the_newest_where_the_best_was_before_an_interruption(tmp_path: Path) -> None:
    task, told = Classify(labels=("bad", "good")), SaidAlike()
    records = [{"text": "so", "label": ("good", "bad")[place % 2]} for place in range(12)]
    look = told.watching(lambda _event: None)
    for step, answers in ((20, ("good", "good")), (30, ("good", "bad"))):
        told.values(task, records, [{"label": answers[place % 2], "scores": {}} for place in range(12)])
        look(Validated({"step": step}, 0))
        spoken: dict[int, bool] = {}
        for best in (10, step):
            lines: list[str] = []
            told.tell(Place(tmp_path, {}, "one", 0, "en", lines.append), best, 1e-3, 40)
            spoken[best] = bool(lines)
        assert spoken == dict.fromkeys((10, step), step == 20)
