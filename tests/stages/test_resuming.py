"""A training that is killed goes on from its last checkpoint and ends with the weights of an unbroken one."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import danlu
from danlu.recipe.part import find
from danlu.task.task import Task
from danlu.train.run import TrainingRun

ENCODER = {"kind": "scratch", "layers": 1, "width": 32, "heads": 2, "positions": 96, "dropout": 0.1}
DECODER = ENCODER | {"architecture": "llama", "dropout": 0.0}
WORDS: dict[str, Any] = {"kind": "wordpiece", "size": 150, "min_frequency": 1}
BYTES = {"kind": "bpe", "size": 300, "begin": "<s>", "end": "</s>", "pad": "<pad>"}
TRAIN = {
    "steps": 7,
    "rate": 5e-3,
    "batch_examples": 4,
    "evaluate": 3,
    "precision": "float32",
    "threads": 1,
    "checkpoint_seconds": 1e-6,
}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "prefer": ({"objective": "dpo"}, DECODER, BYTES),
    "tag": ({"decoding": "crf"}, ENCODER, WORDS),
    "embed": ({"symmetric": True}, ENCODER, WORDS),
    "rank": ({}, ENCODER, WORDS),
    "masked_lm": ({"units": "words", "spans": 0.3, "share": 0.1, "share_end": 0.6}, ENCODER, WORDS),
    "next_sentence": ({"masking": {"share_end": 0.4}}, ENCODER, WORDS),
    "replaced_token": ({}, ENCODER | {"architecture": "electra"}, WORDS),
}


class Killed(BaseException):
    """What nobody catches, as nobody does a signal that cannot be caught."""


def trained(kind: str, root: Path) -> tuple[dict[str, torch.Tensor], list[str]]:
    fields, model, tokenizer = CASES[kind]
    sample = find(Task, kind).sample  # type: ignore[type-abstract]
    records = [record for record in sample if record.keys() == sample[0].keys() for _ in range(6)]
    file = root.parent / "records.jsonl"
    file.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    text = {"text": ["messages", "chosen"]} if "messages" in records[0] else {}
    data = {"kind": "chat" if text else "jsonl", "path": str(file)}
    split = {"validation": 0.3, "test": 0.0}
    stages = {
        "clean": {"kind": "prepare", "data": data, "dedup": "none", "split": split} | text,
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": tokenizer},
        "fit": {
            "kind": "train",
            "data": "@clean",
            "tokenizer": "@vocab",
            "model": model,
            "task": {"kind": kind} | fields,
            "train": TRAIN,
        },
    }
    said: list[str] = []
    run = danlu.run({"name": "resumed", "stages": stages}, root=root, say=said.append)
    found = load_file(run["fit"] / "bundle" / "model.safetensors")
    for name in find(Task, kind).learners:  # type: ignore[type-abstract]
        beside = load_file(run["fit"] / name / "model.safetensors")
        found |= {f"{name}.{key}": value for key, value in beside.items()}
    return found, said


@pytest.mark.parametrize("kind", CASES)
def test_a_killed_training_of_a_task_ends_with_the_same_weights(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = trained(kind, tmp_path / "whole")
    for stage in ("clean", "vocab"):  # as they are: a run would skip them too
        shutil.copytree(tmp_path / "whole" / "resumed" / stage, tmp_path / "broken" / "resumed" / stage)
    rate = TrainingRun._rate

    def killed(self: TrainingRun, step: int) -> float:
        if step == 5:
            raise Killed
        return rate(self, step)

    monkeypatch.setattr(TrainingRun, "_rate", killed)
    with pytest.raises(Killed):
        trained(kind, tmp_path / "broken")
    monkeypatch.undo()
    resumed, said = trained(kind, tmp_path / "broken")
    assert any("goes on where it was interrupted, at step " in line for line in said), said
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
