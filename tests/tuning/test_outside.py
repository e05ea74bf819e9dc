"""Methods of a package from outside, joined through its entry points, from recipe to what is served."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import danlu
from danlu.bundle.adapt import adapt
from danlu.bundle.verify import verify
from danlu.model.sources.pretrained import Pretrained
from danlu.refusal import Refusal
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
TEXTS = ["好 w1 东西3", "坏 w2", "东西"]
SETTINGS = {"steps": 12, "rate": 1e-2, "batch_tokens": 64, "precision": "float32", "evaluate": 4, "average": 0.5}


@pytest.fixture(scope="module", autouse=True)
def outside_package(joined: Callable[[dict[str, dict[str, str]]], Path]) -> None:
    joined({"danlu.methods": {"lookahead": LOOKAHEAD, "bottleneck": BOTTLENECK}})


def trained(root: Path, tuning: Any, said: list[str] | None = None, model_of_more: Any = None, **fields: Any) -> Run:
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
    if model_of_more is not None:
        stages["more"] = train | {"model": model_of_more}
    return danlu.run({"name": "outside", "stages": stages}, root=root, say=say)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run["tuned"] / "bundle" / "model.safetensors")


def test_a_state_and_a_hook_train_resume_and_are_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unbroken = trained(tmp_path / "unbroken", "lookahead")
    rate = Training._rate
    sent: list[int] = []  # a second Ctrl-C might come while the first is answered

    def interrupted(self: Training, step: int) -> float:
        if step == 6 and not sent:
            sent.append(step)
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


def test_what_cannot_be_merged_serves_as_an_adapter_of_its_base(tmp_path: Path) -> None:
    said: list[str] = []
    run = trained(tmp_path, "bottleneck", said)
    assert {path.name for path in run["tuned"].iterdir()} == {
        "log.jsonl",
        "size.json",
        "adapter",
        "bundle",
        "recipe.lock.yaml",
    }
    assert any("it is the base, served by its adapter 'bottleneck'" in line for line in said)
    base, bundle = danlu.load(run["base"]), danlu.load(run["tuned"])
    tuned = Method.model_validate("bottleneck").load(
        Pretrained(path=str(run["base"] / "bundle")).build(base.task.auto_class, base.tokenizer, base.task.config()),
        run["tuned"] / "adapter",
    )
    inputs = bundle.tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = tuned.eval()(**inputs).logits.softmax(-1)
        labels = bundle.task.label_names()
    answers = bundle.predict(TEXTS)
    found = torch.tensor([[answer["scores"][label] for label in labels] for answer in answers])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert list(bundle.adapters) == [bundle.serves] == ["bottleneck"]
    assert bundle.predict(TEXTS, "base") == base.predict(TEXTS) != answers
    assert verify(run["tuned"]) == []
    with torch.inference_mode():
        assert torch.equal(bundle.model(**inputs).logits.argmax(-1), expected.argmax(-1))
    kept = load_file(run["tuned"] / "adapter" / "added.safetensors")
    assert sum(value.numel() for value in kept.values()) < 2500
    folder = adapt(run["base"], run["tuned"], "small", tmp_path / "copy")
    assert danlu.load(folder).predict(TEXTS, "small") == answers
    plain = Path(shutil.copytree(run["base"] / "bundle", tmp_path / "plain"))
    for name in ("danlu.json", "golden.json"):
        (plain / name).unlink()
    with pytest.raises(Refusal, match="is a model and no bundle yet; name a folder for the bundle of it: --output"):
        adapt(plain, run["tuned"], "small")
    begun = danlu.load(adapt(plain, run["tuned"], "small", tmp_path / "begun"), "float32")
    assert (begun.serves, begun.predict(TEXTS)) == ("small", answers)
    assert verify(tmp_path / "begun") == []
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    card = (tmp_path / "begun" / "README.md").read_text("utf-8")
    assert "which opens the base without its adapter `small`" in card
    assert "# outside/tuned" in card


def test_a_training_does_not_begin_from_a_base_that_an_adapter_serves(tmp_path: Path) -> None:
    run = trained(tmp_path, "bottleneck")
    for path in ("@tuned", str(run["tuned"] / "bundle")):
        with pytest.raises(Refusal, match="is served by its adapter 'bottleneck', which a training cannot begin from"):
            trained(tmp_path, "bottleneck", model_of_more={"kind": "pretrained", "path": path})
