"""Students that are trained with a teacher: what is kept, gone on from, left out and refused, through whole stages."""

import json
import os
import random
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import danlu
from danlu.refusal import Refusal
from danlu.stages import size as told_size
from danlu.stages.run import Run
from danlu.stages.stage import Place, Stage
from danlu.train.dry_run import dry_run
from danlu.train.recorders.jsonl import read
from danlu.train.run import TrainingRun as Training
from danlu.tuning.roles import Roles

MODEL = {"kind": "scratch", "layers": 2, "width": 32, "heads": 2, "positions": 48, "dropout": 0.1}
TRAIN = {"steps": 8, "rate": 5e-3, "batch_tokens": 96, "evaluate": 100, "precision": "float32"}
INSIDE = {"hidden": 0.5, "attention": 0.1, "embeddings": 0.5}
WORDS = "好坏东西很不"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Data, a tokenizer, and teachers of several tasks."""
    root = tmp_path_factory.mktemp("teachers")
    dice = random.Random(2)

    def rows(count: int, label: str) -> list[dict[str, str]]:
        texts = ("".join(dice.choices(WORDS, k=dice.randint(2, 14))) for _ in range(count))
        return [{"text": text} | ({"label": label[n % len(label)]} if label else {}) for n, text in enumerate(texts)]

    for name, found in {"rows": rows(24, "gb"), "plain": rows(9, "")}.items():
        lines = [json.dumps(record, ensure_ascii=False) for record in found]
        (root / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    split = {"validation": 0.0, "test": 0.0}
    stages: dict[str, Any] = {
        name: {
            "kind": "prepare",
            "data": {"kind": "jsonl", "path": str(root / f"{name}.jsonl")},
            "dedup": "none",
            "split": split,
        }
        for name in ("rows", "plain")
    }
    for name, size in (("vocab", 60), ("small_vocab", 8)):
        stages[name] = {"kind": "tokenizer", "data": "@rows", "tokenizer": {"kind": "char", "size": size}}
    once = TRAIN | {"steps": 1}
    stages |= {
        "teacher": train(),
        "other_task": train(task="masked_lm", train=once),
        "other_tokens": train(tokenizer="@small_vocab", train=once),
        "wide": train(model=MODEL | {"width": 48, "positions": 16}, train=once),
    }
    return danlu.run({"name": "teachers", "stages": stages}, root=root, say=lambda line: None)


def train(**fields: Any) -> dict[str, Any]:
    section = {"kind": "train", "data": "@rows", "tokenizer": "@vocab", "model": MODEL, "task": "classify"}
    return section | {"train": TRAIN} | fields


def student(made: Run, root: Path, teacher: Any, said: list[str] | None = None, **fields: Any) -> Path:
    """What a student has left, trained beside what the stages of `made` have."""
    say = (lambda line: None) if said is None else said.append
    fixed = {"data": file(made, "rows"), "tokenizer": None, "model": of(made, layers=1)}
    section = train(**fixed | {"teacher": teacher} | fields)
    return danlu.run({"name": "students", "stages": {"student": section}}, root=root, say=say)["student"]


def file(made: Run, stage: str) -> dict[str, Any]:
    return {"kind": "parquet", "path": str(made[stage] / "train.parquet")}


def of(made: Run, **fields: Any) -> dict[str, Any]:
    return {"kind": "student", "of": str(made["teacher"] / "bundle"), **fields}


def bundle(made: Run, stage: str = "teacher") -> str:
    return str(made[stage] / "bundle")


def weights(stage: Path) -> dict[str, torch.Tensor]:
    return load_file(stage / "bundle" / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def test_what_a_teacher_says_kept_or_asked_anew_trains_to_the_same_bits(made: Run, tmp_path: Path) -> None:
    said: list[str] = []
    teacher = {"bundle": bundle(made), **INSIDE}
    kept = student(made, tmp_path / "kept", teacher, said)
    assert any("comes to" in line and "kept on disk" in line for line in said)
    assert any("teacher: its layers 2 are followed" in line for line in said)
    said.clear()
    anew = student(made, tmp_path / "anew", teacher | {"cache": 0}, said)
    assert any("is asked anew each time, for that is more than 'cache', 0 MB" in line for line in said)
    assert same(weights(kept), weights(anew))
    assert {path.name for path in kept.iterdir()} == {"log.jsonl", "size.json", "bundle", "recipe.lock.yaml"}
    parts = {"label", "teacher_logits", "teacher_hidden", "teacher_attention", "teacher_embeddings"}
    for line in (line for line in read(kept / "log.jsonl") if "loss" in line):
        assert sum(line[name] for name in parts) == pytest.approx(line["loss"], rel=1e-5)
        assert min(line[name] for name in parts) > 0
    assert danlu.load(kept).facts["provenance"]["teacher"]["hidden"] == 0.5


def test_a_teacher_without_weight_is_no_teacher_to_the_bit(made: Run, tmp_path: Path) -> None:
    alone = student(made, tmp_path / "alone", None)
    beside = student(made, tmp_path / "beside", {"bundle": bundle(made), "logits": 0.0})
    assert same(weights(alone), weights(beside))
    assert not same(weights(alone), danlu.load(made["teacher"]).model.state_dict())


def test_what_goes_on_after_a_stop_ends_with_the_same_bits_and_needs_no_teacher(
    made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made["wide"] / "bundle", tmp_path / "wide")
    how: dict[str, Any] = {"model": MODEL | {"layers": 1}, "tokenizer": {"kind": "pretrained", "path": bundle(made)}}
    how |= {"teacher": {"bundle": str(tmp_path / "wide"), "hidden": 1.0, "embeddings": 1.0, "logits": 0.5}}
    said: list[str] = []
    whole = student(made, tmp_path / "whole", said=said, **how)
    assert any("48 wide, and the student 32: a learnt map lies between" in line for line in said)
    rate = Training._rate
    sent: list[int] = []  # a second Ctrl-C might come while the first is answered

    def interrupted(self: Training, step: int) -> float:
        if step == 5 and not sent:
            sent.append(step)
            os.kill(os.getpid(), signal.SIGINT)
        return rate(self, step)

    monkeypatch.setattr(Training, "_rate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        student(made, tmp_path / "broken", **how)
    monkeypatch.undo()
    assert same(weights(student(made, tmp_path / "broken", **how)), weights(whole))
    shutil.rmtree(tmp_path / "wide")
    opened = danlu.load(whole)
    assert same(dict(opened.model.named_parameters()), weights(whole))  # nothing of the map is left
    assert {each["label"] for each in opened.predict(["好", "坏东西"])} <= {"g", "b"}


def test_records_without_a_label_are_learnt_from_the_teacher_alone(made: Run, tmp_path: Path) -> None:
    teacher = {"bundle": bundle(made), "unlabelled": file(made, "plain"), "hidden": 0.5}
    section = train(model=of(made, layers=1), tokenizer=None, teacher=teacher, data=file(made, "rows"))
    said: list[str] = []
    ready = Stage.model_validate(section).ready(at(made, tmp_path / "stage", said))
    assert any("9 records without a label" in line for line in said)
    assert len(ready.encoded) == 24 + 9
    assert len({item.record for item in ready.encoded}) == 24 + 9
    model, counts = ready.model.eval(), dict[str, float]()
    for group in ready.batches().groups(0, ready.batches().an_epoch(), torch.device("cpu")):
        for batch in group:
            for name, count in batch.counts.items():
                counts[name] = counts.get(name, 0) + count
            labelled = int((batch.targets["label"] >= 0).sum())
            assert batch.counts["label"] == labelled
            found, alone = ready.roles.loss(model, batch), ready.prepared.task.loss(model, batch)
            torch.testing.assert_close(found["label"], alone["label"])
    tokens = sum(len(item) for item in ready.encoded)
    assert counts == {"label": 24, "teacher_logits": 33, "teacher_hidden": tokens}


def at(made: Run, folder: Path, said: list[str] | None = None) -> Place:
    say = (lambda line: None) if said is None else said.append
    return Place(folder, {ran.name: ran.folder for ran in made.stages}, "one", 0, "en", say)


def test_masked_words_are_learnt_of_a_teacher_too(made: Run, tmp_path: Path) -> None:
    own = {"bundle": "@other_task", "hidden": 0.1, "attention": 0.1}
    model = {"kind": "student", "of": "@other_task", "layers": 1}
    said: list[str] = []
    section = train(model=model, task="masked_lm", teacher=own)
    ready = Stage.model_validate(section).ready(at(made, tmp_path / "stage", said))
    assert any("rows are drawn anew" in line for line in said)
    for batch in next(ready.batches().groups(0, 1, torch.device("cpu"))):
        found = ready.roles.loss(ready.model, batch)
        assert batch.counts["teacher_logits"] == batch.counts["tokens"] == int((batch.targets["tokens"] >= 0).sum())
        assert min(float(found[name].detach()) for name in ("teacher_logits", "teacher_hidden")) > 0
        assert found["teacher_logits"].requires_grad


def test_a_teacher_reads_documents_that_share_a_row_as_its_student_does(made: Run, tmp_path: Path) -> None:
    model = {"kind": "student", "of": "@other_task", "layers": 2}  # all of them, so the two say the same
    teacher = {"bundle": "@other_task", "hidden": 0.1, "attention": 0.1}
    section = train(model=model, task={"kind": "masked_lm", "pack": True}, teacher=teacher)
    ready = Stage.model_validate(section).ready(at(made, tmp_path / "stage", []))
    ready.model.eval()
    for batch in next(ready.batches().groups(0, 1, torch.device("cpu"))):
        assert int(batch.inputs["segments"].max()) > 0
        losses = ready.roles.loss(ready.model, batch)
        for name in ("teacher_logits", "teacher_hidden", "teacher_attention"):
            assert float(losses[name].detach()) == pytest.approx(0, abs=1e-4)


def test_a_teacher_is_timed_as_it_will_be_asked(made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = train(model=MODEL | {"layers": 1}, teacher={"bundle": "@teacher"})
    ready = Stage.model_validate(section).ready(at(made, tmp_path / "stage", []))
    crews, asked = list[object](), Roles._all_said

    def noted(self: Roles, *given: Any) -> Any:
        crews.append(self._crew)
        return asked(self, *given)

    monkeypatch.setattr(Roles, "_all_said", noted)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    told: dict[str, Any] = {}

    def timed(*given: Any, **how: Any) -> Any:
        told.update(how)
        return dry_run(*given, **how)

    monkeypatch.setattr(told_size, "dry_run", timed)
    assert told_size.rehearsed(ready, ready.batches()).seconds > 0
    assert (told["beforehand"], told["once"]) == (ready.roles.beforehand, True)
    assert crews
    assert all(crews)


def test_what_a_teacher_holds_of_padding_or_of_another_document_counts_for_nothing(made: Run, tmp_path: Path) -> None:
    model = {"kind": "student", "of": "@other_task", "layers": 1}
    teacher = {"bundle": "@other_task", "hidden": 0.1, "attention": 0.1}
    section = train(model=model, task={"kind": "masked_lm", "pack": True}, teacher=teacher)
    ready = Stage.model_validate(section).ready(at(made, tmp_path / "stage", []))
    ready.model.eval()
    (batch, *_) = next(ready.batches().groups(0, 1, torch.device("cpu")))
    wider = replace(
        batch,
        inputs={
            name: nn.functional.pad(value, (0, 9), value=-1 if name == "segments" else 0)
            for name, value in batch.inputs.items()
        },
        targets={name: nn.functional.pad(value, (0, 9), value=-100) for name, value in batch.targets.items()},
    )
    narrow, wide = ready.roles.loss(ready.model, batch), ready.roles.loss(ready.model, wider)
    for name in ("teacher_hidden", "teacher_attention"):
        assert float(wide[name].detach()) == pytest.approx(float(narrow[name].detach()), rel=1e-4)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"bundle": "classify"},
            r"has the labels negative, positive, and the student b, g; give a teacher of the same",
        ),
        ({"bundle": "multilabel"}, r"has learnt the task multilabel, and the student learns classify"),
        ({"bundle": "@other_task"}, r"has learnt the task masked_lm, and the student learns classify"),
        ({"bundle": "@other_tokens"}, r"has another tokenizer than the student"),
        ({"bundle": "@rows"}, r"is no bundle|no such folder"),
        ({"bundle": "@teacher", "hidden": 1, "layers": [1, 2, 2]}, "teacher.layers: expected 1 numbers from 1 to 2"),
        ({"bundle": "@teacher", "hidden": 1, "layers": [3]}, "teacher.layers: expected 1 numbers from 1 to 2"),
        ({"bundle": "@wide"}, "reads rows of 16 tokens, and the longest has"),
    ],
)
def test_a_teacher_that_does_not_fit_is_one_sentence(
    made: Run, tmp_path: Path, tiny_bundle: Callable[[str], Path], fields: dict[str, Any], sentence: str
) -> None:
    if not fields["bundle"].startswith("@"):
        fields = {"bundle": str(tiny_bundle(fields["bundle"]))}
    long = {"kind": "jsonl", "path": str(tmp_path / "long.jsonl")}
    lines = [{"text": WORDS * 4, "label": label} for label in "gb"]
    (tmp_path / "long.jsonl").write_text("\n".join(map(json.dumps, lines)))
    data = long if fields["bundle"] == "@wide" else "@rows"
    stage = Stage.model_validate(train(model=MODEL | {"layers": 1}, data=data, teacher=fields))
    with pytest.raises(Refusal, match=sentence) as told:
        stage.run(at(made, tmp_path / "stage"))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"model": MODEL | {"layers": 3}, "teacher": {"hidden": 1}}, "the student has 3 layers and the teacher 2"),
        ({"model": MODEL | {"heads": 1}, "teacher": {"attention": 1}}, "the teacher has 2 heads and the student 1"),
        ({"tuning": "head", "teacher": {"hidden": 1}}, "no gradient enters the layers with the tuning method 'head'"),
        ({"tuning": "prompt", "teacher": {"hidden": 1}}, "puts tokens of its own before each row"),
        ({"train": TRAIN | {"recompute": True}, "teacher": {"attention": 1}}, "train.recompute: scores of attention"),
        (
            {"task": "causal_lm", "model": MODEL | {"architecture": "gpt2"}},
            "the task causal_lm has no answers by which",
        ),
    ],
)
def test_a_student_that_does_not_fit_is_one_sentence(
    made: Run, tmp_path: Path, section: dict[str, Any], sentence: str
) -> None:
    teacher = {"bundle": "@teacher"} | section.get("teacher", {})
    stage = Stage.model_validate(train(**section | {"teacher": teacher}))
    with pytest.raises(Refusal, match=sentence) as told:
        stage.run(at(made, tmp_path / "stage"))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("teacher", "sentence"),
    [
        ({"labels": 0, "logits": 0}, "all weights are 0, so there is nothing to learn"),
        ({"logits": 0, "unlabelled": "@plain"}, "'unlabelled' is learnt from the teacher alone"),
        ({"layers": [1]}, "'layers' are those of 'hidden' and 'attention'"),
        ({"logits": 0, "temperature": 3.0}, "'temperature' softens 'logits'"),
    ],
)
def test_settings_without_effect_are_refused(teacher: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Stage.model_validate(train(teacher={"bundle": "@teacher"} | teacher))
