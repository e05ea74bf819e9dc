"""Preference tuning from records to bundles: it is learnt, beside the model as it began, and the bundle writes."""

import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import danlu
from danlu.cli.main import main
from danlu.data.corpus.prepared import load as load_split
from danlu.refusal import Refusal
from danlu.stages.run import Run
from danlu.stages.stage import Place, Stage
from danlu.train.recorders.jsonl import read
from danlu.train.run import TrainingRun as Training

MODEL = {"kind": "scratch", "architecture": "llama", "layers": 1, "width": 64, "heads": 2, "positions": 64}
TRAIN = {"steps": 10, "rate": 2e-3, "batch_examples": 8, "evaluate": 100, "precision": "float32", "threads": 1}
LORA = {"kind": "lora", "rank": 4}


def pairs(count: int) -> list[dict[str, Any]]:
    """The better answer says what was asked again, the worse one says something else."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        word, other = ("".join(rng.choice([*"天地人山水火日月"], 2)) for _ in range(2))
        asked = [{"role": "user", "content": word}]
        found.append({"messages": asked, "chosen": f"好，{word}。", "rejected": f"不，{other}！"})
    return found


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Pairs, a tokenizer, and a model that has not learnt much."""
    root = tmp_path_factory.mktemp("base")
    (root / "pairs.jsonl").write_text("\n".join(json.dumps(each, ensure_ascii=False) for each in pairs(48)), "utf-8")
    data = {"kind": "chat", "path": str(root / "pairs.jsonl")}
    clean = {"kind": "prepare", "data": data, "text": ["messages", "chosen"], "dedup": "none"}
    clean["split"] = {"validation": 0.0, "test": 0.0}
    tokenizer = {"kind": "bpe", "size": 300, "begin": "<s>", "end": "</s>", "pad": "<pad>"}
    stages = {
        "clean": clean,
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": tokenizer},
        "base": section(
            model=MODEL | {"dropout": 0.0}, tokenizer="@vocab", task={"kind": "prefer"} | SIMPLE, train=ONE
        ),
    }
    return danlu.run({"name": "base", "stages": stages}, root=root, say=lambda line: None)


SIMPLE, ONE, FEW = {"objective": "simpo"}, TRAIN | {"steps": 1}, TRAIN | {"steps": 5}


def section(**fields: Any) -> dict[str, Any]:
    found = {"kind": "train", "data": "@clean", "task": {"kind": "prefer"}, "train": TRAIN}
    return found | {"model": {"kind": "pretrained", "path": "@base"}} | fields


def tuned(base: Run, root: Path, said: list[str] | None = None, **fields: Any) -> Path:
    """What a stage has left that begins with `base`."""
    data = {"kind": "parquet", "path": str(base["clean"] / "train.parquet")}
    stage = section(data=data, model=pretrained(base)) | fields
    say = (lambda line: None) if said is None else said.append
    return danlu.run({"name": "tuned", "stages": {"tuned": stage}}, root=root, say=say)["tuned"]


def pretrained(base: Run) -> dict[str, Any]:
    return {"kind": "pretrained", "path": str(base["base"] / "bundle")}


def weights(stage: Path) -> dict[str, torch.Tensor]:
    return load_file(stage / "bundle" / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


def losses(stage: Path) -> list[float]:
    return [line["loss"] for line in read(stage / "log.jsonl") if "loss" in line]


@pytest.fixture(scope="module")
def learnt(base: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    said: list[str] = []
    return tuned(base, tmp_path_factory.mktemp("learnt"), said, train=TRAIN | {"steps": 40}), said


def test_a_preference_is_learnt(base: Run, learnt: tuple[Path, list[str]]) -> None:
    stage, said = learnt
    assert any("reference: the model as it begins, a frozen copy" in line for line in said), said
    records = load_split(base["clean"], "train")
    margins = []
    for folder in (base["base"], stage):
        with danlu.load(folder, "float32") as bundle:
            margins.append([each["margin"] for each in bundle.predict(records)])
    before, after = map(np.array, margins)
    assert (after > 0).mean() > 0.95
    assert after.mean() > before.mean() + 5
    assert losses(stage)[-1] < 0.5 * math.log(2)
    first, *_, last = (line for line in read(stage / "log.jsonl") if "loss" in line)
    assert last["preference_accuracy"] > 0.95
    assert last["reward_margin"] > first["reward_margin"] + 0.5
    assert math.isfinite(last["reward_chosen"])
    assert {path.name for path in stage.iterdir()} == {"log.jsonl", "size.json", "bundle", "recipe.lock.yaml"}


def test_the_bundle_writes_as_one_that_converses_and_opens_in_transformers(
    learnt: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = learnt[0] / "bundle"
    talk = [{"role": "user", "content": "天地"}]
    with danlu.load(folder, "float32") as bundle:
        ours = bundle.generate([{"messages": talk}, "天地"], max_new_tokens=12)
        assert "".join(bundle.generate_stream("天地", max_new_tokens=12)) == ours[0][0].text
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.apply_chat_template(talk, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    theirs = model.generate(**ids, max_new_tokens=12, do_sample=False)[0, ids["input_ids"].shape[1] :]
    assert ours[0][0].text == ours[1][0].text == tokenizer.decode(theirs, skip_special_tokens=True)
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(folder), "--text", "天地", "--generate", "policy.max_new_tokens=12"])
    assert not ended.value.code
    assert json.loads(capsys.readouterr().out)["prediction"]["text"] == ours[0][0].text


def test_what_lora_adds_is_switched_off_for_a_reference_as_good_as_a_copy(base: Run, tmp_path: Path) -> None:
    said: list[str] = []
    off = tuned(base, tmp_path / "off", said, tuning=LORA, train=FEW)
    copy = tuned(base, tmp_path / "copy", tuning=LORA, train=FEW, roles={"reference": pretrained(base)})
    assert any("reference: the model as it begins, with what 'lora' adds switched off" in line for line in said), said
    assert losses(off) == losses(copy)
    assert losses(off)[-1] < losses(off)[0]
    assert same(off, copy)


def at(base: Run, folder: Path) -> Place:
    return Place(folder, {name: base[name] for name in ("clean", "vocab", "base")}, "one", 0, "en", lambda line: None)


@pytest.mark.parametrize("tuning", [{"kind": "full"}, LORA], ids=["full", "lora"])
def test_the_first_loss_is_ln_2_and_the_reference_learns_nothing(base: Run, tmp_path: Path, tuning: Any) -> None:
    ready = Stage.model_validate(section(tuning=tuning)).ready(at(base, tmp_path / "stage"))  # type: ignore[attr-defined]
    (batch,) = next(ready.batches().groups(0, 1, torch.device("cpu")))
    before = ready.roles.told(batch).targets["reference.log_probability"]
    loss = ready.roles.loss(ready.model, batch)["preferred"].detach() / batch.counts["preferred"]
    assert float(loss) == pytest.approx(math.log(2), abs=1e-5)
    with torch.no_grad():
        for parameter in ready.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    assert float(ready.roles.loss(ready.model, batch)["preferred"].detach()) != pytest.approx(float(loss) * 8, abs=1e-3)
    assert torch.equal(ready.roles.told(batch).targets["reference.log_probability"], before)


def test_what_goes_on_after_a_stop_ends_with_the_same_bits(
    base: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tuned(base, tmp_path / "whole")
    rate = Training._rate
    sent: list[int] = []  # a second Ctrl-C might come while the first is answered

    def interrupted(self: Training, step: int) -> float:
        if step == 6 and not sent:
            sent.append(step)
            os.kill(os.getpid(), signal.SIGINT)
        return rate(self, step)

    monkeypatch.setattr(Training, "_rate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tuned(base, tmp_path / "broken")
    monkeypatch.undo()
    assert same(tuned(base, tmp_path / "broken"), whole)


@pytest.mark.parametrize("objective", ["ipo", "orpo"])
def test_every_other_objective_learns_as_well(base: Run, tmp_path: Path, objective: str) -> None:
    stage = tuned(base, tmp_path, task={"kind": "prefer", "objective": objective})
    assert losses(stage)[-1] < losses(stage)[0]


def test_answers_that_are_good_or_bad_alone_teach_kto(base: Run, tmp_path: Path) -> None:
    records = []
    for number, pair in enumerate(load_split(base["clean"], "train")):
        answer = pair["chosen"] if number % 2 else pair["rejected"]
        messages = [*pair["messages"], {"role": "assistant", "content": answer}]
        records.append({"messages": messages, "label": bool(number % 2)})
    (tmp_path / "one.jsonl").write_text("\n".join(json.dumps(each, ensure_ascii=False) for each in records), "utf-8")
    data = {"kind": "chat", "path": str(tmp_path / "one.jsonl")}
    task = {"kind": "prefer", "objective": "kto"}
    stage = tuned(base, tmp_path, data=data, task=task)
    assert losses(stage)[-1] < losses(stage)[0]
    assert all(line["kl"] >= 0 for line in read(stage / "log.jsonl") if "loss" in line)
    with danlu.load(stage) as bundle:
        assert [each["margin"] for each in bundle.predict(records[:2])] == [None, None]
    with pytest.raises(Refusal, match="validation data, record 1: what a model prefers is measured of two answers"):
        tuned(base, tmp_path, data=data, task=task, validation=data)


@pytest.mark.parametrize("objective", ["orpo", "simpo"])
def test_a_reference_that_nothing_reads_is_refused(base: Run, tmp_path: Path, objective: str) -> None:
    with pytest.raises(Refusal, match="the task prefer has none under 'roles', and there are: reference"):
        tuned(base, tmp_path, task={"kind": "prefer", "objective": objective}, roles={"reference": pretrained(base)})
