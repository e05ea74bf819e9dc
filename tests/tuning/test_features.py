"""Cached features stand for the frozen trunk: same loss, same gradients, one pass over the trunk."""

import copy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from danlu.model.replica import replica
from danlu.text.batching.batch import Batch
from danlu.tuning.features import cached_trunk
from danlu.tuning.methods.head import Head

SHAPES = ["classify-bert", "tag-bert", "classify-llama", "classify-gpt2", "causal-llama"]


def batches(inputs: dict[str, Tensor], size: int) -> Iterator[Batch]:
    rows = len(inputs["input_ids"])
    for start in range(0, rows, size):
        part = {name: value[start : start + size] for name, value in inputs.items()}
        yield Batch(part, {}, {}, np.arange(start, min(start + size, rows)), int(part["input_ids"].numel()))


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradients_equal_those_of_the_whole_model(tiny: SimpleNamespace, shape: str, tmp_path: Path) -> None:
    whole = Head().apply(tiny.build(shape))
    expected = tiny.loss(whole, tiny.inputs())
    expected.backward()

    model = Head().apply(tiny.build(shape))
    order = torch.tensor([4, 0, 5, 2, 1, 3])  # another order than the features were computed in
    mixed = {name: value[order] for name, value in tiny.inputs().items()}
    with cached_trunk(model, batches(tiny.inputs(), 2), tmp_path):
        found = tiny.loss(model, mixed)
        found.backward()
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
    assert gradients(model).keys() == gradients(whole).keys()
    torch.testing.assert_close(gradients(model), gradients(whole), atol=1e-6, rtol=1e-5)


def test_the_trunk_is_run_once_however_many_epochs(tiny: SimpleNamespace, tmp_path: Path) -> None:
    model = Head().apply(tiny.build("classify-bert"))
    seen: list[int] = []
    model.bert.register_forward_hook(lambda module, given, output: seen.append(len(output.last_hidden_state)))
    with cached_trunk(model, batches(tiny.inputs(), 2), tmp_path):
        losses = tiny.steps(model, 30)
        assert seen == [2, 2, 2]
    assert losses[-1] < 0.5 * losses[0]


def test_afterwards_the_trunk_is_back_with_a_trained_pooler_and_no_file_is_left(
    tiny: SimpleNamespace, tmp_path: Path
) -> None:
    model = Head().apply(tiny.build("classify-bert"))
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    before, trunk = copy.deepcopy(model.state_dict()), model.bert
    with cached_trunk(model, batches(tiny.inputs(), 2), tmp_path):
        assert sorted(name for name, p in model.named_parameters()) == sorted(names)
        tiny.steps(model, 3)
    assert model.bert is trunk
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == set(names)
    assert list(tmp_path.iterdir()) == []


def test_dropout_of_the_trunk_is_off_and_that_of_the_head_stays_on(tiny: SimpleNamespace, tmp_path: Path) -> None:
    model = Head().apply(tiny.build("classify-bert")).train()
    with cached_trunk(model, batches(tiny.inputs(), 2), tmp_path) as features:
        first, second = (features.hidden(tiny.inputs()) for _ in range(2))
        assert torch.equal(first, second)
        assert not features.trunk.training
        assert model.dropout.training
    assert model.bert.training


def test_a_row_that_was_not_computed_goes_through_the_trunk(tiny: SimpleNamespace, tmp_path: Path) -> None:
    model = Head().apply(tiny.build("tag-bert"))
    new = {"input_ids": torch.tensor([[5, 6, 7, 8]])}
    with torch.no_grad():
        expected = model(**new).logits
        with cached_trunk(model, batches(tiny.inputs(), 3), tmp_path):
            torch.testing.assert_close(model(**new).logits, expected)


def test_bfloat16_features_keep_their_bits(tiny: SimpleNamespace, tmp_path: Path) -> None:
    model = Head().apply(tiny.build("tag-bert").to(torch.bfloat16))
    kept = tiny.inputs()["attention_mask"].bool()
    with torch.inference_mode():
        expected = model.bert(**tiny.inputs()).last_hidden_state[kept]
    with cached_trunk(model, batches(tiny.inputs(), 6), tmp_path) as features:
        assert torch.equal(features.hidden(tiny.inputs())[kept], expected)


def test_replicas_share_the_features_and_have_gradients_of_their_own(tiny: SimpleNamespace, tmp_path: Path) -> None:
    model = Head().apply(tiny.build("classify-bert"))
    with cached_trunk(model, batches(tiny.inputs(), 2), tmp_path) as features:
        second = replica(model)
        assert second.bert.features is features
        tiny.loss(second, tiny.inputs()).backward()
    assert second.bert.pooler.dense.weight.grad is not None
    assert model.bert.pooler.dense.weight.grad is None
    assert second.classifier.weight.data_ptr() == model.classifier.weight.data_ptr()
