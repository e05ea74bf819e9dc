"""Methods of a package from outside, joined through its entry points, from recipe to what is served."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import danlu
from danlu.model.sources.pretrained import Pretrained
from danlu.stages.run import Run
from danlu.train.run import TrainingRun as Training
from danlu.tuning.method import Method

LOOKAHEAD = '''
"""Slow weights that look ahead (Zhang et al. 2019): every so many steps half of the way is gone back."""

from danlu.tuning.method import Method


class Lookahead(Method):
    """Train every parameter, and go back half of the way every few steps."""

    every: int = 3

    def apply(self, model):
        for number, parameter in enumerate(list(model.requires_grad_().parameters())):
            model.register_buffer(f"slow_{number}", parameter.detach().clone(), persistent=False)
        return model

    def merge(self, model):
        for name in self.state(model):
            delattr(model, name)
        return model

    def state(self, model):
        return {name: buffer for name, buffer in model.named_buffers() if name.startswith("slow_")}

    def after_step(self, model, weights, step):
        if (step + 1) % self.every:
            return False
        for slow, weight in zip(self.state(model).values(), weights.values()):
            slow.lerp_(weight, 0.5)
            weight.copy_(slow)
        return True
'''
BOTTLENECK = '''
"""A small layer above a frozen trunk that cannot be folded into it (Houlsby et al. 2019)."""

from typing import ClassVar

from torch import nn

from danlu.tuning.head import above_trunk
from danlu.tuning.method import Method


def added(trunk, arguments, output):
    output.last_hidden_state = output.last_hidden_state + trunk.bottleneck(output.last_hidden_state)
    return output


class Bottleneck(Method):
    """Train a small layer above the trunk, and the head."""

    mergeable: ClassVar[bool] = False

    def apply(self, model):
        heads = above_trunk(model)
        model.requires_grad_(False)
        width = model.config.hidden_size
        model.base_model.bottleneck = nn.Sequential(nn.Linear(width, 4), nn.Tanh(), nn.Linear(4, width))
        model.base_model.register_forward_hook(added)
        for name in heads:
            model.get_submodule(name).requires_grad_()
        return model
'''
SETTINGS = {"steps": 12, "rate": 1e-2, "batch_tokens": 64, "precision": "float32", "evaluate": 4, "average": 0.5}


@pytest.fixture(scope="module", autouse=True)
def outside_package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("outside")
    (folder / "outside_methods").mkdir()
    for name, code in (("__init__", ""), ("lookahead", LOOKAHEAD), ("bottleneck", BOTTLENECK)):
        (folder / "outside_methods" / f"{name}.py").write_text(code)
    told = folder / "outside_methods-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Name: outside-methods\nVersion: 1.0\n")
    points = (f"{name} = outside_methods.{name}" for name in ("lookahead", "bottleneck"))
    (told / "entry_points.txt").write_text("\n".join(["[danlu.methods]", *points]))
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


def trained(root: Path, tuning: Any, said: list[str] | None = None, **fields: Any) -> Run:
    rows = [{"text": f"{'好坏'[row % 2]} w{row % 7} 东西{row}", "label": "gb"[row % 2]} for row in range(40)]
    root.mkdir(exist_ok=True)
    (root / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    data = {"kind": "jsonl", "path": str(root / "rows.jsonl")}
    vocabulary = {"kind": "wordpiece", "size": 60, "min_frequency": 1}
    model = {"kind": "scratch", "layers": 1, "width": 32, "heads": 2, "positions": 48, "dropout": 0.1}
    train = {"kind": "train", "data": "@clean", "task": "classify", "train": SETTINGS | fields}
    base = {"tokenizer": "@vocab", "model": model, "tuning": "full"}
    tuned = {"model": {"kind": "pretrained", "path": "@base"}, "tuning": tuning}
    stages = {
        "clean": {"kind": "prepare", "data": data, "dedup": "none", "split": {"validation": 0.2, "test": 0.0}},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": vocabulary},
        "base": train | base | {"train": SETTINGS | {"steps": 1}},
        "tuned": train | tuned,
    }
    say = (lambda line: None) if said is None else said.append
    return danlu.run({"name": "outside", "stages": stages}, root=root, say=say)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run["tuned"] / "bundle" / "model.safetensors")


def test_a_state_and_a_hook_train_resume_and_are_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unbroken = trained(tmp_path / "unbroken", "lookahead")
    rate = Training._rate

    def interrupted(self: Training, step: int) -> float:
        if step == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return rate(self, step)

    monkeypatch.setattr(Training, "_rate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "broken", "lookahead", steps=12)
    (checkpoint,) = (tmp_path / "broken" / "outside" / "tuned" / "checkpoints").glob("step-*")
    assert any(name.startswith("method.slow_") for name in load_file(checkpoint / "tensors.safetensors"))
    monkeypatch.undo()
    broken = trained(tmp_path / "broken", "lookahead")
    first, second = weights(unbroken), weights(broken)
    assert not [name for name in first if "slow" in name]
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    plain = weights(trained(tmp_path / "full", "full"))
    assert not all(torch.equal(value, plain[name]) for name, value in first.items())
    assert danlu.load(unbroken["tuned"]).predict(["好 w1"])[0].keys() == {"label", "scores"}


def test_after_a_step_back_the_weights_are_the_slow_ones(tmp_path: Path) -> None:
    """Also those that the state tells, in what is saved of the method itself."""
    method = Method.model_validate({"kind": "lookahead", "every": 4})
    run = trained(tmp_path, "lookahead", evaluate=100, average=0.0)
    model = method.apply(danlu.load(run["tuned"]).model)
    moved = {name: parameter for name, parameter in model.named_parameters() if "bias" not in name}
    with torch.no_grad():
        for parameter in moved.values():
            parameter.add_(1.0)
        assert not method.after_step(model, dict(model.named_parameters()), 0)
        before = {name: parameter.clone() for name, parameter in moved.items()}
        assert method.after_step(model, dict(model.named_parameters()), 3)
    assert all(torch.allclose(parameter, before[name] - 0.5) for name, parameter in moved.items())
    method.save(model, tmp_path)
    again = method.load(danlu.load(run["tuned"]).model, tmp_path)
    assert method.state(again).keys() == method.state(model).keys() != set()
    slow = method.state(model)
    assert all(torch.equal(value, slow[name]) for name, value in method.state(again).items())


def test_what_cannot_be_merged_is_left_beside_its_base(tmp_path: Path) -> None:
    said: list[str] = []
    run = trained(tmp_path, "bottleneck", said)
    assert {path.name for path in run["tuned"].iterdir()} == {"log.jsonl", "adapter", "recipe.lock.yaml"}
    assert any("adapter; it cannot be merged into a bundle" in line for line in said)
    base = danlu.load(run["base"])
    config = base.task.config()
    tuned = Method.model_validate("bottleneck").load(
        Pretrained(path=str(run["base"] / "bundle")).build(base.task.auto_class, base.tokenizer, config),
        run["tuned"] / "adapter",
    )
    kept = load_file(run["tuned"] / "adapter" / "added.safetensors")
    assert any("bottleneck" in name for name in kept)
    assert sum(value.numel() for value in kept.values()) < 2500
    parameters = dict(tuned.named_parameters())
    assert all(torch.equal(value, parameters[name.removeprefix("weights.")]) for name, value in kept.items())
