"""What is counted without values is what is counted with them."""

import pytest
import torch
from torch import nn

from danlu.machine.meter import META, Meter


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(50, 16), nn.Linear(16, 40), nn.GELU(), nn.LayerNorm(40), nn.Linear(40, 50))


def counted(model: nn.Module) -> tuple[int, int, int]:
    ids = torch.arange(24).view(4, 6)
    keep = ids % 2 == 0  # a mask whose number of places depends on its values
    with Meter() as meter:
        loss = nn.functional.cross_entropy(model(ids)[keep].float(), ids[keep])
        held = meter.held
        gradients = torch.autograd.grad(loss, [*model.parameters()])
    assert all(gradient.shape for gradient in gradients)
    return meter.operations, held, meter.peak


def test_a_network_without_values_holds_and_multiplies_what_one_with_them_does() -> None:
    with_values = counted(net())
    for _ in range(2):  # the second time shapes are known
        assert counted(net().to(META)) == with_values
    products = 2 * 24 * (16 * 40 + 40 * 50)
    assert with_values[0] == 3 * products


def test_what_is_let_go_of_is_not_held_and_views_are_held_once() -> None:
    with Meter() as meter:
        first = torch.empty(1000, device=META)
        view = first.view(10, 100)
        assert meter.held == 4000
        second = view * 2
        assert meter.held == meter.peak == 8000
        del first, view
        assert (meter.held, meter.peak) == (4000, 8000)
        del second
    assert (meter.held, meter.peak) == (0, 8000)


def test_what_is_known_of_some_shapes_is_said_of_no_others() -> None:
    """1 and 1.0 are other arguments, and strides and types belong to a shape."""
    row = torch.empty(3, 4, device=META)
    whole = torch.ones(3, 4, dtype=torch.int64, device=META)
    with Meter():
        for _ in range(2):
            assert (row + row).stride() == (4, 1)
            assert (row.T + row.T).stride() == (1, 4)
            assert ((whole * 2).dtype, (whole * 2.0).dtype) == (torch.int64, torch.float32)
            assert row.half().sum(1).dtype == torch.float16
            assert [part.shape[0] for part in row.topk(2, dim=0)] == [2, 2]
            assert torch.ops.aten._unsafe_view(row, (12,)).untyped_storage()._cdata == row.untyped_storage()._cdata


def test_recurrent_networks_are_counted_step_by_step() -> None:
    gru = nn.GRU(16, 16, 2, batch_first=True).to(META)
    with Meter() as meter:
        gru(torch.empty(3, 7, 16, device=META))
    assert meter.operations == 3 * 7 * 2 * 2 * 6 * 16 * 16


def test_what_looks_at_values_that_are_not_there_is_told() -> None:
    with Meter(), pytest.raises(RuntimeError, match="meta"):
        float(torch.empty(1, device=META))
