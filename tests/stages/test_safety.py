"""A training whose memory, data or numbers are not what they should be, from its recipe on."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import danlu
from danlu.refusal import Refusal
from danlu.text.batching.batch import Batch
from danlu.train.run import TrainingRun

MODEL = {"kind": "scratch", "layers": 1, "width": 16, "heads": 2, "positions": 32, "dropout": 0.1}
TRAIN = {"steps": 10, "rate": 5e-3, "batch_examples": 8, "precision": "float32", "checkpoint_seconds": 1e-6}
BOTH = {"optimizer": "muon", "average": 0.5, "threads": 2, "accumulate": 2}


class Killed(BaseException):
    """What nobody catches."""


Ran = Callable[..., tuple[Path, list[str]]]


@pytest.fixture
def ran(tmp_path: Path) -> Ran:
    """A function that runs a recipe over forty short texts: shards of them, and a training."""
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": f"第{i}本书很好看 {i * 7}"}) + "\n" for i in range(40)), "utf-8")

    def run(words: int = 80, name: str = "safe", **fields: Any) -> tuple[Path, list[str]]:
        data = {"kind": "jsonl", "path": str(file)}
        tokenizer = {"kind": "wordpiece", "size": words, "min_frequency": 1}
        section = {"kind": "train", "data": "@rows", "tokenizer": "@vocab", "model": MODEL, "task": "masked_lm"}
        section |= {"train": TRAIN} | fields
        stages = {
            "vocab": {"kind": "tokenizer", "data": data, "tokenizer": tokenizer},
            "rows": {"kind": "shards", "data": data, "tokenizer": "@vocab", "task": section["task"], "longest": 32},
            "fit": section,
        }
        said: list[str] = []
        done = danlu.run({"name": name, "stages": stages}, root=tmp_path / "runs", say=said.append)
        return done["fit"], said

    return run


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "bundle" / "model.safetensors")


def test_layers_that_are_computed_anew_give_the_bundle_that_layers_give_which_are_kept(ran: Ran) -> None:
    kept, _ = ran(train=TRAIN | BOTH)
    whole = weights(kept)
    anew, _ = ran(train=TRAIN | BOTH | {"recompute": True})
    assert all(torch.equal(value, whole[name]) for name, value in weights(anew).items())
    with pytest.raises(Refusal, match=r"train\.recompute: no gradient enters the layers with the tuning method 'head'"):
        ran(train=TRAIN | {"recompute": True}, tuning="head")


def test_a_killed_training_of_matrices_with_averages_ends_with_the_same_weights(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a step that was left out."""
    _spoil(monkeypatch, 4)
    unbroken, _ = ran(name="unbroken", train=TRAIN | BOTH)
    rate = TrainingRun._rate
    monkeypatch.setattr(TrainingRun, "_rate", lambda self, step: _killed() if step == 6 else rate(self, step))
    with pytest.raises(Killed):
        ran(train=TRAIN | BOTH)
    monkeypatch.setattr(TrainingRun, "_rate", rate)
    resumed, said = ran(train=TRAIN | BOTH)
    assert any("goes on where it was interrupted, at step 6" in line for line in said), said
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in weights(unbroken).items())


def test_what_can_be_gone_back_to_stays_until_the_bundle_is_saved(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killing:
        killing.setattr("danlu.stages.kinds.train.leave", lambda *_, **__: _killed())
        with pytest.raises(Killed):
            ran(train=TRAIN | {"rollback": True})
    folder = tmp_path / "runs" / "safe" / "fit"
    assert (folder / "returns").is_dir()
    assert ran(train=TRAIN | {"rollback": True})[0] == folder
    assert (folder / "bundle").is_dir()
    assert not (folder / "returns").exists()


def test_what_is_not_finite_is_said_with_its_text_and_ends_the_training_after_a_few(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil(monkeypatch, 2, 5, 6)
    with pytest.raises(Refusal, match=r"step 6: .*: 2 such steps in a row; its batch is in .*bad-batches.*; the last"):
        ran(train=TRAIN | {"bad_steps": 2})
    folder = tmp_path / "runs" / "safe" / "fit"
    files = sorted(path.name for path in (folder / "bad-batches").iterdir())
    assert files == [f"step-{step:08d}-batch-{step:08d}.json" for step in (2, 5, 6)]
    texts = json.loads((folder / "bad-batches" / files[0]).read_text("utf-8"))["batches"][0]["texts"]
    assert all(text.startswith("[CLS]") for text in texts)
    assert any("书" in text for text in texts)
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step-00000006"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"task": "masked_lm"}, 60), ({"task": {"kind": "masked_lm", "share": 0.3}}, 80)],
    ids=["tokenizer", "objective"],
)
def test_with_another_tokenizer_or_objective_it_begins_anew_and_the_checkpoint_is_kept(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], words: int
) -> None:
    rate = TrainingRun._rate
    monkeypatch.setattr(TrainingRun, "_rate", lambda self, step: _killed() if step == 6 else rate(self, step))
    with pytest.raises(Killed):
        ran()
    monkeypatch.setattr(TrainingRun, "_rate", rate)
    other, said = ran(words, **fields)
    assert not any("goes on where" in line for line in said)
    assert any("the results of other settings or data are kept in" in line for line in said)
    (kept,) = (path for path in other.parent.glob("fit.*") if path.is_dir())
    assert [path.name for path in (kept / "checkpoints").iterdir()] == ["step-00000006"]


def test_shards_that_have_changed_since_the_checkpoint_are_refused_and_it_is_kept(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = TrainingRun._rate
    monkeypatch.setattr(TrainingRun, "_rate", lambda self, step: _killed() if step == 6 else rate(self, step))
    with pytest.raises(Killed):
        ran()
    monkeypatch.setattr(TrainingRun, "_rate", rate)
    folder = tmp_path / "runs" / "safe"
    shard = next(path for path in (folder / "rows").rglob("*.arrow"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(bytes(data))
    with pytest.raises(Refusal, match=shard.name):
        ran()
    assert [path.name for path in (folder / "fit" / "checkpoints").iterdir()] == ["step-00000006"]


def test_data_that_do_not_fill_a_step_are_refused(ran: Ran) -> None:
    with pytest.raises(Refusal, match=r"train\.accumulate: a step is to take 9 batches, and all data make 5"):
        ran(train=TRAIN | {"accumulate": 9})


def _killed() -> float:
    raise Killed


def _spoil(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    penalised = TrainingRun._penalised

    def spoilt(self: TrainingRun, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        factor = math.nan if self.state.step in steps else 1.0
        return {name: value * factor for name, value in penalised(self, model, batch).items()}

    monkeypatch.setattr(TrainingRun, "_penalised", spoilt)
