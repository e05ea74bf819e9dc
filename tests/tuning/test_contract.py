"""What every tuning method promises, over every kind of model that our tasks train."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal
from danlu.train.run import TrainingRun
from danlu.tuning.method import Method

METHODS = kinds(Method)
SETTINGS: dict[str, dict[str, Any]] = {kind: {"kind": kind} for kind in METHODS} | {
    "full, layer_decay": {"kind": "full", "layer_decay": 0.5},
    "full, unfreeze": {"kind": "full", "unfreeze": 2},
    "layers, layer_decay": {"kind": "layers", "top": 1, "layer_decay": 0.5},
    "layers, patterns": {"kind": "layers", "patterns": ["*.0.*"], "layer_decay": 0.5},
    "lora, dora": {"kind": "lora", "rank": 2, "dora": True},
    "lora, pissa": {"kind": "lora", "rank": 2, "init": "pissa"},
    "lora, nf4": {"kind": "lora", "rank": 2, "weights": "nf4"},
    "lora, loftq": {"kind": "lora", "rank": 2, "weights": "nf4", "init": "loftq"},
    "adapter, houlsby": {"kind": "adapter", "placement": "houlsby", "size": 4},
    "adapter, parallel": {"kind": "adapter", "placement": "parallel", "size": 4},
    "ptuning, lstm": {"kind": "ptuning", "encoder": "lstm", "width": 8, "size": 4},
    "ptuning, random": {"kind": "ptuning", "init": "random", "size": 4},
}
"""Every method as it comes, and with settings that change what the promise is about."""
SHAPES = ["classify-bert", "tag-bert", "classify-llama", "classify-gpt2", "causal-llama", "masked-bert"]
REFUSED = {
    ("bitfit", "classify-llama"): "tuning 'bitfit' finds no biases in models of the family 'llama'; use lora or ia3",
    ("bitfit", "causal-llama"): "tuning 'bitfit' finds no biases in models of the family 'llama'; use lora or ia3",
}
"""What makes no sense, and the sentence that says why."""
RATES, LEAST = {"ia3": 0.1, "prefix": 0.1, "prompt": 0.1}, {"ia3": 0.003, "adalora": 0.01}
LEAST |= dict.fromkeys(["prefix", "prompt", "ptuning"], 0.0)
"""Of methods whose few numbers have far to go from where they begin, and reach little in an untrained trunk."""
PAIRS = [(kind, shape) for kind in METHODS for shape in SHAPES if (kind, shape) not in REFUSED]
KEPT_PAIRS = PAIRS + [
    (name, shape)
    for place, name in enumerate(name for name in SETTINGS if name not in METHODS)
    for shape in (SHAPES[place % 6], SHAPES[(place + 3) % 6])
]
"""Every method as it comes over every shape; of those with settings each over two shapes, in turn."""
FRESH_PAIRS = [pair for place, pair in enumerate(PAIRS) if place % 3 == METHODS.index(pair[0]) % 3]
"""Some two shapes of every method, in turn, so that every shape is there for several."""
MERGEABLE = [kind for kind in METHODS if find(Method, kind).mergeable]
every_method = pytest.mark.parametrize("kind", METHODS)
every_setting = pytest.mark.parametrize("name", SETTINGS)
every_pair = pytest.mark.parametrize(("kind", "shape"), PAIRS)
every_kept_pair = pytest.mark.parametrize(("name", "shape"), KEPT_PAIRS)


def applied(tiny: SimpleNamespace, kind: str, shape: str) -> tuple[Method, nn.Module]:
    method = Method.model_validate({"kind": kind})
    torch.default_generator.manual_seed(11)
    return method, method.apply(tiny.build(shape)).eval()


def moving(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def resting(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if not p.requires_grad}


def test_the_methods_are_found_by_their_files() -> None:
    assert " ".join(METHODS) == "adalora adapter bitfit full head ia3 layers lora prefix prompt ptuning quantised"
    assert len(PAIRS) == 12 * 6 - len(REFUSED) == 70


@pytest.mark.parametrize(("kind", "shape"), REFUSED)
def test_what_makes_no_sense_is_refused_with_its_reason(tiny: SimpleNamespace, kind: str, shape: str) -> None:
    with pytest.raises(Refusal, match=re.escape(REFUSED[kind, shape])):
        Method.model_validate(kind).apply(tiny.build(shape))


@every_pair
def test_training_moves_what_is_trained_and_nothing_else(tiny: SimpleNamespace, kind: str, shape: str) -> None:
    _, model = applied(tiny, kind, shape)
    moved, rested = moving(model), resting(model)
    assert moved
    least = LEAST.get(kind, 0.02)
    losses = tiny.steps(model, 12, rate=RATES.get(kind, 1e-2), least=least)
    assert losses[-1] < losses[0] - least
    after = dict(model.named_parameters())
    assert all(torch.equal(after[name], value) for name, value in rested.items())
    still = [name for name, value in moved.items() if torch.equal(after[name], value)]
    # the one-word pooler of a tagger, and rows that no input reads, may stay as they are
    assert not [name for name in still if "token_type" not in name and "pooler" not in name], still


@pytest.mark.parametrize(("kind", "shape"), [pair for pair in PAIRS if pair[0] in MERGEABLE])
def test_the_merged_model_gives_the_same_logits_and_has_the_same_weights_names(
    tiny: SimpleNamespace, kind: str, shape: str
) -> None:
    plain = tiny.build(shape)
    method, model = applied(tiny, kind, shape)
    tiny.steps(model, 3)
    with torch.inference_mode():
        before = model(**tiny.inputs()).logits
    merged = method.merge(model).eval()
    with torch.inference_mode():
        after = merged(**tiny.inputs()).logits
    torch.testing.assert_close(after, before, atol=2e-5, rtol=1e-5)
    assert type(merged) is type(plain)
    assert merged.state_dict().keys() == plain.state_dict().keys()
    assert not hasattr(merged, "peft_config")


@pytest.mark.parametrize(("kind", "shape"), FRESH_PAIRS)
def test_what_was_trained_can_be_put_into_a_fresh_model(tiny: SimpleNamespace, kind: str, shape: str) -> None:
    _, model = applied(tiny, kind, shape)
    tiny.steps(model, 3)
    _, fresh = applied(tiny, kind, shape)
    assert moving(fresh).keys() == moving(model).keys()
    fresh.load_state_dict(moving(model), strict=False)
    with torch.inference_mode():
        assert torch.equal(fresh(**tiny.inputs()).logits, model(**tiny.inputs()).logits)


@every_method
def test_added_parameters_follow_the_number_format(tiny: SimpleNamespace, kind: str) -> None:
    method = Method.model_validate({"kind": kind})
    model = method.apply(tiny.build("classify-bert").to(torch.bfloat16))
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    if method.mergeable:
        assert next(method.merge(model).parameters()).dtype in (torch.bfloat16, torch.float32)


@every_kept_pair
def test_groups_are_of_what_is_trained_and_all_of_it_moves_in_the_end(
    tiny: SimpleNamespace, name: str, shape: str
) -> None:
    method = Method.model_validate(SETTINGS[name])
    model = method.apply(tiny.build(shape))
    groups = method.groups(model, 20)
    names = [name for group in groups for name in group.names]
    assert len(names) == len(set(names))
    assert set(names) <= moving(model).keys()
    factors = [[group.factor(step) for step in range(20)] for group in groups]
    assert all(0 <= factor <= 1 for of_one in factors for factor in of_one)
    assert all(of_one[-1] > 0 for of_one in factors)
    first = {name for group in groups if not group.factor(0) for name in group.names}
    assert first < moving(model).keys()  # something moves from the start


@every_setting
def test_what_goes_on_after_a_stop_ends_bit_by_bit_where_the_unbroken_one_ends(
    tiny: SimpleNamespace, made_run: Callable[..., TrainingRun], tmp_path: Path, name: str
) -> None:
    """With averages, dropout and bfloat16, stopped in the middle of its 9 steps."""

    def training(folder: str, **fields: Any) -> TrainingRun:
        method = Method.model_validate(SETTINGS[name])
        torch.default_generator.manual_seed(11)
        model = method.apply(tiny.build("classify-bert").train()).to(torch.bfloat16)
        return made_run(model, method, tmp_path / folder, precision="bfloat16", steps=9, average=0.5, **fields)

    unbroken = training("unbroken").train("unbroken", None)
    broken = training("broken")
    loss, seen = broken.loss, []

    def interrupted(model: nn.Module, batch: Any) -> torch.Tensor:
        seen.append(batch)
        if len(seen) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return loss(model, batch)

    broken.loss = interrupted
    with pytest.raises(KeyboardInterrupt):
        broken.train("broken", None)
    again = training("broken")
    assert 2 < again.state.step < 6  # some batches are computed twice, to compare cores
    ended = again.train("broken", None)
    assert ended.weights.keys() == unbroken.weights.keys()
    assert all(torch.equal(value, unbroken.weights[key]) for key, value in ended.weights.items())
    assert all(torch.equal(value, unbroken.method[key]) for key, value in ended.method.items())


@every_kept_pair
def test_the_base_and_what_was_saved_are_the_model_that_was_trained(
    tiny: SimpleNamespace, tmp_path: Path, name: str, shape: str
) -> None:
    method = Method.model_validate(SETTINGS[name])
    model = method.apply(tiny.build(shape)).eval()
    tiny.steps(model, 3)
    method.save(model, tmp_path)
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size < 4 * sum(value.numel() for value in moving(model).values()) + 20_000
    assert {path.suffix for path in tmp_path.iterdir()} <= {".safetensors", ".json"}
    again = method.load(tiny.build(shape), tmp_path).eval()
    with torch.inference_mode():
        before, after = model(**tiny.inputs()).logits, again(**tiny.inputs()).logits
        assert torch.equal(after, before)
        if method.mergeable:
            merged = method.merge(model).eval()(**tiny.inputs()).logits
            torch.testing.assert_close(after, merged, atol=2e-5, rtol=1e-5)


@every_setting
def test_what_was_saved_is_refused_where_it_does_not_belong(tiny: SimpleNamespace, tmp_path: Path, name: str) -> None:
    method = Method.model_validate(SETTINGS[name])
    method.save(method.apply(tiny.build("classify-bert")), tmp_path)
    (weights,) = tmp_path.glob("*.safetensors")
    with pytest.raises(Refusal, match=re.escape(str(tmp_path))):
        method.load(tiny.build("classify-gpt2"), tmp_path)
    other = tiny.build("classify-bert")
    if method.base(method.apply(tiny.build("classify-bert"))):
        with torch.no_grad():
            other.bert.embeddings.word_embeddings.weight[0, 0] += 1e-6
        with pytest.raises(Refusal, match="belongs to other base weights than these"):
            method.load(other, tmp_path)
    weights.write_bytes(weights.read_bytes()[:-40])
    with pytest.raises(Refusal, match="cannot be read there") as told:
        method.load(tiny.build("classify-bert"), tmp_path)
    assert "\n" not in str(told.value)
    weights.unlink()
    with pytest.raises(Refusal, match="is no file"):
        method.load(tiny.build("classify-bert"), tmp_path)
