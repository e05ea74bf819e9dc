from types import SimpleNamespace

import pytest
import torch
from torch import nn

from danlu.train.optimizer import build_optimizer
from danlu.train.parameters import FlatParameters


def optimizer(name: str, parameters: FlatParameters, **options: float) -> torch.optim.Optimizer:
    given = {"rate": 0.1, "weight_decay": 0.0, "betas": (0.9, 0.98), "momentum": 0.0} | options
    return build_optimizer(name, parameters, **given)  # type: ignore[arg-type]


def test_the_model_computes_what_it_computed_and_matrices_and_vectors_are_apart(small: SimpleNamespace) -> None:
    model, inputs = small.Net(), small.batch(2, 0).inputs
    before, named = model(**inputs), dict(model.named_parameters())
    values = {name: parameter.detach().clone() for name, parameter in named.items()}
    parameters = FlatParameters(model)
    assert torch.equal(model(**inputs), before)
    assert all(p is named[name] for name, p in model.named_parameters())
    assert all(torch.equal(named[name], value) for name, value in values.items())
    assert parameters.decays == [True, False]
    sizes = [sum(p.numel() for p in named.values() if (p.dim() >= 2) is matrices) for matrices in (True, False)]
    assert [flat.weights.numel() for flat in parameters.flats] == sizes


def test_what_is_frozen_is_left_alone(small: SimpleNamespace) -> None:
    model = small.Net()
    model.embed.requires_grad_(requires_grad=False)
    parameters = FlatParameters(model)
    assert "embed.weight" not in dict(parameters.named)
    assert "embed.weight" not in parameters.by_name(parameters.snapshot())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_names_and_masters_go_both_ways(small: SimpleNamespace, dtype: torch.dtype) -> None:
    model = small.Net().to(dtype)
    parameters = FlatParameters(model)
    kept = parameters.snapshot()
    named = parameters.by_name(kept)
    assert named.keys() == dict(model.named_parameters()).keys()
    for name, value in model.named_parameters():
        assert named[name].dtype == torch.float32
        assert torch.equal(named[name].to(dtype), value)
    with torch.no_grad():
        for flat in parameters.flats:
            flat.master.add_(1.0)
    parameters.publish()
    assert not torch.equal(model.out.bias.float(), named["out.bias"])
    parameters.restore(kept)
    assert all(torch.equal(value, named[name].to(dtype)) for name, value in model.named_parameters())
    named["out.bias"].add_(5.0)  # copies, not views
    assert torch.equal(parameters.by_name(kept)["out.bias"].to(dtype), model.out.bias)


def test_a_float32_master_keeps_what_bfloat16_alone_would_lose() -> None:
    """A thousand steps of 1e-4 from 1.0: bfloat16 has 8 bits, so that 1.0 + 1e-4 rounds to 1.0."""
    model = nn.Linear(4, 4, bias=False).to(torch.bfloat16)
    nn.init.ones_(model.weight)
    alone = model.weight.detach().clone()
    parameters = FlatParameters(model)
    sgd = optimizer("sgd", parameters, rate=1e-4)
    gradient = torch.full((4, 4), -1.0, dtype=torch.bfloat16)
    for _ in range(1000):
        parameters.add([gradient], first=True)
        sgd.step()
        parameters.publish()
        alone -= 1e-4 * gradient
    assert alone.unique().tolist() == [1.0]
    assert parameters.snapshot()[0].unique().tolist() == pytest.approx([1.1], abs=1e-4)
    assert model.weight.unique().tolist() == pytest.approx([1.1], abs=2**-8)
    assert model.weight.dtype == torch.bfloat16


def test_gradients_add_up_in_float32_and_missing_ones_are_zero(small: SimpleNamespace) -> None:
    parameters = FlatParameters(small.Net())
    gradients = [torch.full(p.shape, 0.5) for _, p in parameters.named]
    parameters.add([torch.full(p.shape, 9.0) for _, p in parameters.named], first=True)
    parameters.add([None, *gradients[1:]], first=True)
    parameters.add(gradients, first=False)
    parameters.add([None] * len(gradients), first=False)
    numbers = [p.numel() for _, p in parameters.named]
    expected = (0.25 * numbers[0] + 1.0 * sum(numbers[1:])) ** 0.5
    assert float(parameters.norm()) == pytest.approx(expected, rel=1e-6)
    parameters.scale(0.5)
    assert float(parameters.norm()) == pytest.approx(expected / 2, rel=1e-6)


def test_vectors_do_not_decay(small: SimpleNamespace) -> None:
    model = small.Net()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    parameters = FlatParameters(model)
    optimizer("adamw", parameters, rate=0.1, weight_decay=0.5).step()  # gradients are zero
    for name, parameter in model.named_parameters():
        factor = 1 - 0.1 * 0.5 if parameter.dim() >= 2 else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * factor)
