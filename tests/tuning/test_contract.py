"""What every tuning method promises, over every kind of model that our tasks train."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from danlu.recipe.part import kinds
from danlu.tuning.method import Method

METHODS = kinds(Method)
SHAPES = ["classify-bert", "tag-bert", "classify-llama", "classify-gpt2", "causal-llama", "masked-bert"]
every_method = pytest.mark.parametrize("kind", METHODS)
every_shape = pytest.mark.parametrize("shape", SHAPES)


def applied(tiny: SimpleNamespace, kind: str, shape: str) -> tuple[Method, nn.Module]:
    method = Method.model_validate({"kind": kind})
    torch.manual_seed(11)
    return method, method.apply(tiny.build(shape)).eval()


def moving(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def resting(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if not p.requires_grad}


def test_the_methods_are_found_by_their_files() -> None:
    assert METHODS == ["full", "head", "lora"]


@every_shape
@every_method
def test_training_moves_what_is_trained_and_nothing_else(tiny: SimpleNamespace, kind: str, shape: str) -> None:
    _, model = applied(tiny, kind, shape)
    moved, rested = moving(model), resting(model)
    assert moved
    losses = tiny.steps(model, 12)
    assert losses[-1] < losses[0] - 0.02
    after = dict(model.named_parameters())
    assert all(torch.equal(after[name], value) for name, value in rested.items())
    still = [name for name, value in moved.items() if torch.equal(after[name], value)]
    # the one-word pooler of a tagger, and rows that no input reads, may stay as they are
    assert not [name for name in still if "token_type" not in name and "pooler" not in name], still


@every_shape
@every_method
def test_the_merged_model_gives_the_same_logits_and_has_the_same_weights_names(
    tiny: SimpleNamespace, kind: str, shape: str
) -> None:
    plain = tiny.build(shape)
    method, model = applied(tiny, kind, shape)
    tiny.steps(model, 5)
    with torch.inference_mode():
        before = model(**tiny.inputs()).logits
    merged = method.merge(model).eval()
    with torch.inference_mode():
        after = merged(**tiny.inputs()).logits
    torch.testing.assert_close(after, before, atol=2e-5, rtol=1e-5)
    assert type(merged) is type(plain)
    assert merged.state_dict().keys() == plain.state_dict().keys()
    assert not hasattr(merged, "peft_config")


@every_shape
@every_method
def test_what_was_trained_can_be_put_into_a_fresh_model(tiny: SimpleNamespace, kind: str, shape: str) -> None:
    _, model = applied(tiny, kind, shape)
    tiny.steps(model, 4)
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
    assert next(method.merge(model).parameters()).dtype in (torch.bfloat16, torch.float32)
