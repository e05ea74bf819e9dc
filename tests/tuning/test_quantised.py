"""Training with rounded weights: what is left stands on the grid, and is better there than what is rounded later."""

import pytest
import torch
from torch import nn

from danlu.tuning.methods.quantised import Quantised, Rounding, rounded


def test_a_row_has_as_many_equal_steps_as_were_asked_for():
    weight = torch.tensor([[1.0, -0.26, 0.24, 0.5], [0.0, 0.0, 0.0, 0.0], [-8.0, 3.9, 4.1, 1.9]])
    expected = torch.tensor([[1.0, -0.5, 0.0, 0.5], [0.0, 0.0, 0.0, 0.0], [-8.0, 4.0, 4.0, 0.0]])
    assert torch.allclose(rounded(weight, 2), expected)
    assert torch.equal(rounded(rounded(weight, 2), 2), rounded(weight, 2))


def test_gradients_pass_the_rounding_as_if_it_were_not_there():
    plain = nn.Linear(5, 3)
    layer = nn.Linear(5, 3)
    layer.load_state_dict(plain.state_dict())
    layer.__class__ = Rounding
    layer.steps = 4
    x_BD = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    layer(x_BD).sum().backward()
    plain(x_BD).sum().backward()
    assert torch.allclose(layer.weight.grad, plain.weight.grad)
    assert not torch.allclose(layer(x_BD), plain(x_BD), atol=1e-3)


@pytest.mark.parametrize("steps", [1, 7])
def test_few_steps_learnt_with_are_better_than_few_steps_rounded_to(tiny, steps):
    plain = tiny.build("classify-bert")
    tiny.steps(plain, 30)
    method = Quantised(steps=steps)
    layers = [name for name, module in plain.base_model.named_modules() if type(module) is nn.Linear]
    with torch.no_grad():
        for name in layers:
            weight = plain.base_model.get_submodule(name).weight
            weight.copy_(rounded(weight, steps))
    learnt = method.apply(tiny.build("classify-bert"))
    tiny.steps(learnt, 30)
    merged = method.merge(learnt)
    for name in layers:
        weight = merged.base_model.get_submodule(name).weight
        assert len(weight[0].div(weight[0].abs().max()).mul(steps).round().unique()) <= 2 * steps + 1
        assert torch.allclose(weight, rounded(weight, steps))
        assert type(merged.base_model.get_submodule(name)) is nn.Linear
    after, before = tiny.steps(merged, 1)[0], tiny.steps(plain, 1)[0]
    assert after < before
