"""Frozen networks that a loss reads: a task from outside learns from a teacher, whose answers may be kept or not."""

import json
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import danlu
from danlu.data.corpus.prepared import load as load_split
from danlu.refusal import Refusal
from danlu.stages.run import Run
from danlu.stages.stage import Place, Stage
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.train.recorders.jsonl import read
from danlu.train.run import TrainingRun as Training

DISTIL = '''
"""Soft labels of a teacher (Hinton et al. 2015): the divergence at a temperature, times its square."""

from typing import ClassVar

from torch.nn.functional import kl_div, log_softmax, softmax

from danlu.task.tasks.classify import Classify


class Distil(Classify):
    """Choose a label as a teacher does."""

    roles: ClassVar[tuple[str, ...]] = ("teacher",)

    temperature: float = 2.0

    def losses(self, said, batch):
        own = log_softmax(said["logits"].float() / self.temperature, -1)
        soft = softmax(batch.targets["teacher.logits"].float() / self.temperature, -1)
        return {"label": kl_div(own, soft, reduction="sum") * self.temperature**2}
'''
ANEW = '''
"""The same, with the teacher asked again whenever a row is learnt from."""

from typing import ClassVar

from .distil import Distil as Kept


class Anew(Kept):
    """Choose a label as a teacher does."""

    repeats: ClassVar[bool] = False
'''
MODEL = {"kind": "scratch", "layers": 1, "width": 32, "heads": 2, "positions": 48, "dropout": 0.1}
TRAIN = {"steps": 12, "rate": 1e-2, "batch_tokens": 96, "evaluate": 100, "precision": "float32"}


@pytest.fixture(scope="module", autouse=True)
def outside_package(joined: Callable[[dict[str, dict[str, str]]], Path]) -> None:
    joined({"danlu.tasks": {"distil": DISTIL, "anew": ANEW}})


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Data, a tokenizer and a teacher."""
    root = tmp_path_factory.mktemp("teacher")
    dice = random.Random(2)
    rows = [
        {"text": "".join(dice.choices("好坏东西很不", k=dice.randint(2, 14))), "label": "gb"[n % 2]} for n in range(24)
    ]
    (root / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = {"kind": "jsonl", "path": str(root / "rows.jsonl")}
    split = {"validation": 0.0, "test": 0.0}
    return danlu.run(
        {
            "name": "teacher",
            "stages": {
                "clean": {"kind": "prepare", "data": data, "dedup": "none", "split": split},
                "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "char", "size": 60}},
                "teacher": student(task="classify", roles={}),
                "gaps": student(task="masked_lm", roles={}),
            },
        },
        root=root,
        say=lambda line: None,
    )


def student(**fields: Any) -> dict[str, Any]:
    """A train stage, as a rule of a student of the stage `teacher`."""
    section = {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": MODEL, "task": "distil"}
    return section | {"train": TRAIN, "roles": {"teacher": {"kind": "pretrained", "path": "@teacher"}}} | fields


def taught(teacher: Run, root: Path, said: list[str] | None = None, **fields: Any) -> Path:
    """What a student has left, trained beside what the stages of `teacher` have."""
    model = {"kind": "pretrained", "path": str(teacher["teacher"] / "bundle")}
    section = student(data=prepared(teacher), tokenizer=None, roles={"teacher": model}, **fields)
    section["model"] = {"kind": "pretrained", "path": str(teacher["gaps"] / "bundle")}
    say = (lambda line: None) if said is None else said.append
    return danlu.run({"name": "taught", "stages": {"student": section}}, root=root, say=say)["student"]


def prepared(teacher: Run) -> dict[str, Any]:
    return {"kind": "parquet", "path": str(teacher["clean"] / "train.parquet")}


def weights(stage: Path) -> dict[str, torch.Tensor]:
    return load_file(stage / "bundle" / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("threads", [1, 2])
def test_kept_and_asked_again_train_to_the_same_bits(teacher: Run, tmp_path: Path, threads: int) -> None:
    train = TRAIN | {"threads": threads}
    said: list[str] = []
    kept = taught(teacher, tmp_path / "kept", said, train=train)
    anew = taught(teacher, tmp_path / "anew", task="anew", train=train)
    assert same(weights(kept), weights(anew))
    assert any("teacher: " in line and "frozen" in line for line in said)
    losses = [[line["loss"] for line in read(stage / "log.jsonl") if "loss" in line] for stage in (kept, anew)]
    assert losses[0] == losses[1]
    assert losses[0][-1] < 0.5 * losses[0][0]
    assert {path.name for path in kept.iterdir()} == {"log.jsonl", "size.json", "bundle", "recipe.lock.yaml"}
    facts = danlu.load(kept).facts
    assert facts["provenance"]["roles"]["teacher"]["path"].endswith("bundle")
    trained = danlu.load(kept).model
    assert same(dict(trained.named_parameters()), weights(kept))  # the student serves


def test_what_goes_on_after_a_stop_ends_with_the_same_bits(
    teacher: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = taught(teacher, tmp_path / "whole")
    rate = Training._rate
    sent: list[int] = []  # a second Ctrl-C might come while the first is answered

    def interrupted(self: Training, step: int) -> float:
        if step == 7 and not sent:
            sent.append(step)
            os.kill(os.getpid(), signal.SIGINT)
        return rate(self, step)

    monkeypatch.setattr(Training, "_rate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        taught(teacher, tmp_path / "broken")
    monkeypatch.undo()
    assert same(weights(taught(teacher, tmp_path / "broken")), weights(whole))


def at(teacher: Run, folder: Path) -> Place:
    inputs = {name: teacher[name] for name in ("clean", "vocab", "teacher", "gaps")}
    return Place(folder, inputs, "one", 0, "en", lambda line: None)


def test_the_loss_is_that_of_the_formula(teacher: Run, tmp_path: Path) -> None:
    ready = Stage.model_validate(student()).ready(at(teacher, tmp_path / "stage"))
    model, teaches = ready.model.eval(), danlu.load(teacher["teacher"], "float32").model
    for batch in next(ready.batches().groups(0, 1, torch.device("cpu"))):
        with torch.no_grad():
            own, soft = (network(**batch.inputs).logits.double().numpy() / 2 for network in (model, teaches))
            loss = ready.roles.loss(model, batch)
        own, soft = (values - np.log(np.exp(values).sum(1, keepdims=True)) for values in (own, soft))
        expected = 4 * (np.exp(soft) * (soft - own)).sum()
        assert float(loss["label"]) == pytest.approx(expected, rel=1e-3)  # of differences of numbers that are near


def test_each_row_is_asked_once_however_many_epochs(
    teacher: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    role_says = Task.role_says

    def counted(self: Task, model: nn.Module, row: Batch) -> dict[str, torch.Tensor]:
        if next(model.parameters()).device.type != "meta":  # where operations alone are counted
            asked.append(row.tokens)
        return role_says(self, model, row)

    monkeypatch.setattr(Task, "role_says", counted)
    taught(teacher, tmp_path, train=TRAIN | {"threads": 1, "epochs": 3, "steps": None})
    records = load_split(teacher["clean"], "train")
    rows = {(record["text"], record["label"]) for record in records}
    assert len(asked) == len(rows) + 1  # and one for the step that is tried first


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"roles": {}}, "the task distil needs teacher under 'roles', and there are: none"),
        ({"task": "classify"}, "the task classify has none under 'roles', and there are: teacher"),
        ({"roles": {"teacher": MODEL}}, "roles.teacher: has no tokenizer, or another one"),
        (
            {"roles": {"teacher": {"kind": "pretrained", "path": "@gaps"}}},
            r"roles.teacher: \S+ holds no weights that fit '[a-z.]+', so it has not learnt distil",
        ),
        (
            {"task": {"kind": "distil", "labels": ["g", "b", "c"]}},
            "roles.teacher: .* so it has not learnt distil with these labels",
        ),
    ],
)
def test_networks_that_do_not_fit_are_one_sentence(
    teacher: Run, tmp_path: Path, fields: dict[str, Any], sentence: str
) -> None:
    stage = Stage.model_validate(student(**fields))
    with pytest.raises(Refusal, match=sentence) as told:
        stage.run(at(teacher, tmp_path / "stage"))
    assert "\n" not in str(told.value)
