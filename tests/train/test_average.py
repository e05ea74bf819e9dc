import pytest
import torch
from torch import nn

from danlu.train.average import Average
from danlu.train.layouts.flat import FlatParameters


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_the_formula_and_steps_aside_afterwards(dtype: torch.dtype) -> None:
    """a <- d a + (1 - d) w with d = min(decay, (1 + n) / (10 + n)), worked out in float64."""
    model = nn.Linear(3, 3, bias=False).to(dtype)
    parameters = FlatParameters(model)
    average = Average(parameters, 0.6)
    expected = parameters.snapshot()[0].double()
    for step in range(20):
        with torch.no_grad():
            parameters.values()[0].add_(torch.randn(9) * 0.1)
        parameters.publish()
        average.update(step)
        decay = min(0.6, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * parameters.snapshot()[0].double()
    last, weights = parameters.snapshot()[0], model.weight.detach().clone()
    with average.in_force():
        torch.testing.assert_close(parameters.snapshot()[0].double(), expected, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(model.weight.detach().flatten(), expected.to(dtype), atol=1e-2, rtol=1e-2)
        assert not torch.equal(model.weight, weights)
    assert torch.equal(parameters.snapshot()[0], last)
    torch.testing.assert_close(average.values[0].double(), expected, atol=1e-6, rtol=1e-6)
    assert torch.equal(model.weight, weights)


def test_it_steps_aside_after_an_error_too() -> None:
    parameters = FlatParameters(nn.Linear(2, 2))
    average = Average(parameters, 0.9)
    with torch.no_grad():
        parameters.values()[0].add_(1.0)
    last = parameters.snapshot()
    with pytest.raises(KeyError), average.in_force():
        raise KeyError
    assert all(torch.equal(a, b) for a, b in zip(parameters.snapshot(), last, strict=True))


def test_without_decay_there_is_no_second_copy() -> None:
    parameters = FlatParameters(nn.Linear(2, 2))
    average = Average(parameters, 0.0)
    average.update(0)
    before = parameters.snapshot()
    with average.in_force():
        assert not average.values
        assert all(torch.equal(a, b) for a, b in zip(parameters.values(), before, strict=True))
