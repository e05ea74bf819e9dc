import errno
import json
import os
import shutil
import traceback
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.optim import Optimizer

from danlu.machine.ranks import ALONE
from danlu.refusal import Refusal
from danlu.train import checkpoint
from danlu.train.average import Average
from danlu.train.checkpoint import STATE, TENSORS, State, precision_of
from danlu.train.loop import steps
from danlu.train.optimizer import LAYOUTS, OptimizerName, build_optimizer, lay_out
from danlu.train.shards import Shards


class Training:
    """All that a checkpoint holds, made anew as after a restart."""

    def __init__(
        self, small: SimpleNamespace, name: OptimizerName = "adamw", dtype: torch.dtype = torch.float32
    ) -> None:
        self.small, self.model = small, small.Net(dropout=0.1).to(dtype)
        self.parameters = lay_out(name, self.model)
        self.optimizer: Optimizer = build_optimizer(
            name, self.parameters, rate=1e-2, weight_decay=0.1, betas=(0.9, 0.98), momentum=0.9
        )
        self.average = Average(self.parameters, 0.8)
        self.method = {"seen": torch.zeros(3)}
        self.state = State("print", 1, 2, "float32")

    def go(self, stop: int) -> "Training":
        groups = [[self.small.batch(4, seed)] for seed in range(self.state.step, stop)]
        rate: Any = lambda step: 1e-2 / (1 + step)  # noqa: E731
        for step in steps(
            [self.model], groups, self.small.loss, self.optimizer, self.parameters,
            rate=rate, clip=1.0, start=self.state.step,
        ):  # fmt: skip
            self.method["seen"] += step.loss
            self.average.update(step.number)
            self.state.step = step.number + 1
        return self

    def save(self, folder: Path) -> "Training":
        checkpoint.save(folder, self.state, self.parameters, self.optimizer, self.average, self.method)
        return self

    def restore(self, folder: Path) -> "Training":
        kept = (self.parameters, self.optimizer, self.average, self.method)
        self.state = checkpoint.restore(folder, self.state, *kept)
        return self

    def tensors(self) -> dict[str, Tensor]:
        weights = dict(self.model.named_parameters())
        moments = {f"{i}.{k}": v for i, s in enumerate(self.optimizer.state.values()) for k, v in s.items()}
        return weights | moments | self.method | {f"average.{i}": value for i, value in enumerate(self.average.values)}


def equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", LAYOUTS)
def test_what_goes_on_ends_bit_by_bit_where_the_unbroken_one_ends(
    small: SimpleNamespace, tmp_path: Path, name: OptimizerName, dtype: torch.dtype
) -> None:
    unbroken = Training(small, name, dtype).go(7)
    first = Training(small, name, dtype).go(4)
    first.state.best, first.state.best_step, first.state.stale = 0.25, 3, 1
    first.state.scale, first.state.good = 128.0, 9
    first.state.best_values = [value * 2 for value in first.parameters.snapshot()]
    first.state.best_method = {"seen": torch.ones(3)}
    first.save(tmp_path)
    second = Training(small, name, dtype).restore(tmp_path)
    assert equal(second.tensors(), first.tensors())
    assert second.state.to_plain() == first.state.to_plain()
    assert all(torch.equal(a, b) for a, b in zip(second.state.best_values, first.state.best_values, strict=True))
    assert second.state.best_method["seen"].tolist() == [1.0, 1.0, 1.0]
    assert equal(second.go(7).tensors(), unbroken.tensors())


def test_before_the_first_step_there_is_nothing_to_restore(small: SimpleNamespace, tmp_path: Path) -> None:
    assert Training(small).restore(tmp_path / "checkpoints").state.step == 0
    assert precision_of(tmp_path / "checkpoints") is None
    Training(small).save(tmp_path)
    assert Training(small).restore(tmp_path).go(1).state.step == 1


def test_only_the_newest_is_kept_and_it_tells_its_precision(small: SimpleNamespace, tmp_path: Path) -> None:
    training = Training(small).go(1).save(tmp_path)
    (tmp_path / ".step-00000002.abc.partial").mkdir()  # what a kill has left
    training.go(3).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003"]
    assert precision_of(tmp_path) == "float32"


def test_the_newest_is_taken_where_a_kill_has_left_two(small: SimpleNamespace, tmp_path: Path) -> None:
    training = Training(small).go(2).save(tmp_path / "a")
    training.go(5).save(tmp_path / "b")
    shutil.move(tmp_path / "b" / "step-00000005", tmp_path / "a")
    shutil.copytree(tmp_path / "a" / "step-00000005", tmp_path / "a" / ".step-00000009.1234.partial")
    assert Training(small).restore(tmp_path / "a").state.step == 5


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("fingerprint", "other", "belongs to a run with another recipe, other data or another version; remove the"),
        ("threads", 7, "made with 1 threads in 2 replicas and this machine has 7 in 2"),
        ("replicas", 3, "made with 1 threads in 2 replicas and this machine has 1 in 3"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    small: SimpleNamespace, tmp_path: Path, field: str, value: Any, sentence: str
) -> None:
    Training(small).go(1).save(tmp_path)
    other = Training(small)
    setattr(other.state, field, value)
    with pytest.raises(Refusal, match=rf"step-00000001: this checkpoint .*{sentence}"):
        other.restore(tmp_path)
    assert (tmp_path / "step-00000001" / TENSORS).is_file()


@pytest.mark.parametrize(
    ("before", "now", "sentence"),
    [
        ({"threads": 8}, {"threads": 0}, None),  # an accelerator computes
        ({"threads": 8, "of_ranks": [8, 6]}, {"threads": 6, "of_ranks": [8, 6]}, None),
        ({"threads": 8}, {"threads": 6, "of_ranks": [8, 6]}, None),  # the first alone was told
        ({"threads": 8, "of_ranks": [8, 6]}, {"threads": 8, "of_ranks": [8, 4]}, "with 6 threads .* rank 1 has 4"),
    ],
)
def test_threads_are_compared_rank_by_rank_and_on_a_cpu_alone(
    small: SimpleNamespace, tmp_path: Path, before: dict[str, Any], now: dict[str, Any], sentence: str | None
) -> None:
    ranks = max(len(now.get("of_ranks", ())), 1)
    made = Training(small).go(1)
    made.state = replace(made.state, ranks=ranks, **before)
    made.save(tmp_path)
    if "of_ranks" not in before:  # as older versions have left it
        (path,) = tmp_path.glob(f"*/{STATE}")
        path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "of_ranks"}))
    other = Training(small)
    other.state = replace(other.state, ranks=ranks, **now)
    if sentence is None:
        state = other.restore(tmp_path).state
        assert (state.step, state.threads, state.of_ranks) == (1, now["threads"], now.get("of_ranks", []))
        return
    with pytest.raises(Refusal, match=sentence):
        other.restore(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "gone", "others", "json", "empty", "state gone", "fields"])
def test_a_damaged_checkpoint_is_one_sentence(small: SimpleNamespace, tmp_path: Path, damage: str) -> None:
    Training(small).go(1).save(tmp_path)
    path = tmp_path / "step-00000001"
    if damage == "cut":
        (path / TENSORS).write_bytes((path / TENSORS).read_bytes()[:-40])
    elif damage == "gone":
        (path / TENSORS).unlink()
    elif damage == "others":  # of a network of another shape
        from safetensors.torch import save_file

        save_file({"master.0": torch.zeros(3), "master.1": torch.zeros(3)}, path / TENSORS)
    elif damage == "state gone":
        (path / STATE).unlink()
    else:
        fields = json.loads((path / STATE).read_text())
        texts = {"json": "{", "empty": "{}", "fields": json.dumps(fields | {"more": 1})}
        (path / STATE).write_text(texts[damage])
    with pytest.raises(
        Refusal, match=r"step-00000001: this checkpoint is damaged \(.+\); remove the folder to"
    ) as told:
        Training(small).restore(tmp_path)
    assert "\n" not in str(told.value)


def test_a_full_disk_is_refused_and_the_older_one_stays(
    small: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(small).go(1).save(tmp_path)
    kept = training.tensors()
    kept = {name: value.detach().clone() for name, value in kept.items()}
    training.go(2)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Refusal, match="step-00000002: the disk is full"):
        training.save(tmp_path)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert equal(Training(small).restore(tmp_path).tensors(), kept)


def test_what_a_sharded_writer_says_of_a_full_disk_is_a_sentence_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wraps what each rank says in an exception that is none of `Exception`."""
    full = OSError(errno.ENOSPC, "No space left on device")

    def save(*_: object, **__: object) -> None:
        raise CheckpointException("failed", {0: (full, traceback.StackSummary())})

    monkeypatch.setattr(dcp, "save", save)
    monkeypatch.setattr(dist, "barrier", lambda *_: None)
    own = SimpleNamespace(folder=tmp_path, ranks=ALONE, group=None, _failed=[])
    Shards._write(own, 2, {}, "{}")  # type: ignore[arg-type]
    (failed,) = own._failed
    assert isinstance(failed, Refusal)
    assert "step-00000002: the disk is full" in str(failed)
    assert list(tmp_path.iterdir()) == []
