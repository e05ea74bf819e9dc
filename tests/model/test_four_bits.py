"""Weights in 4 bits: the levels of the paper, the nearest of them, and the product and gradient that they give."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from torch import nn
from transformers.pytorch_utils import Conv1D

from danlu.model.four_bits import BLOCK, LEVELS, hidden_elements, pack, packed, unpack_all, unpacked


def layer_of(kind: str, inputs: int = 48, outputs: int = 20, *, bias: bool = True) -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(inputs, outputs, bias=bias) if kind == "linear" else Conv1D(outputs, inputs)


def test_levels_are_the_quantiles_of_the_paper() -> None:
    """Dettmers et al., 2023, section 3: of 2^k + 1 quantiles, each half by itself, 0 once, the largest 1."""
    offset = 0.9677083
    upper, lower = (norm.ppf(np.linspace(offset, 0.5, count)[:-1]) for count in (9, 8))
    expected = np.sort(np.r_[upper, 0.0, -lower])
    np.testing.assert_allclose(LEVELS, expected / expected.max(), atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.sampled_from([1e-30, 1.0, 1e30]))
def test_each_weight_becomes_the_nearest_level_of_its_block_and_stays_it(seed: int, count: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    weight = torch.from_numpy((rng.standard_normal(count) * size * rng.integers(0, 2, count)).astype(np.float32))
    codes, scales = packed(weight)
    found = unpacked(codes, scales, weight.shape)
    assert codes.numel() + 4 * scales.numel() <= 0.5625 * (count + BLOCK)
    levels = np.array(LEVELS, np.float32)
    for start in range(0, count, BLOCK):
        block, said = weight[start : start + BLOCK].numpy(), found[start : start + BLOCK].numpy()
        near = np.abs(block[:, None] - levels * np.abs(block).max()).min(1)
        np.testing.assert_allclose(np.abs(block - said), near, atol=1e-6 * np.abs(block).max(initial=0))
    again = unpacked(*packed(found), found.shape)
    torch.testing.assert_close(again, found, rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", ["linear", "no bias", "transposed", "odd"])
def test_products_and_gradients_are_those_of_a_plain_layer_with_the_weights_that_are_left(kind: str) -> None:
    sizes = {"inputs": 7, "outputs": 3} if kind == "odd" else {}
    layer = layer_of("transposed" if kind == "transposed" else "linear", bias=kind != "no bias", **sizes)
    pack(layer)
    plain = copy.deepcopy(layer)
    unpack_all(plain)
    assert type(plain) in (nn.Linear, Conv1D)
    hidden = torch.randn(2, 5, sizes.get("inputs", 48), requires_grad=True)
    other = hidden.detach().clone().requires_grad_()
    one, two = layer(hidden), plain(other)
    torch.testing.assert_close(one, two)
    (one.square().sum()).backward()
    (two.square().sum()).backward()
    torch.testing.assert_close(hidden.grad, other.grad)
    assert all(parameter.grad is None for name, parameter in layer.named_parameters() if name != "bias")


def test_weights_stay_what_they_are_in_another_number_format() -> None:
    layer = layer_of("linear")
    pack(layer)
    before = layer.weight
    layer.to(torch.bfloat16)
    assert torch.equal(layer.whole(), before)
    assert layer.weight.dtype == torch.bfloat16  # by which T5 chooses what it computes in
    assert layer(torch.ones(1, 48, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert hidden_elements(layer) == 48 * 20 - 15 * 32 - 15
    with torch.autocast("cpu", torch.bfloat16):
        whole = layer_of("linear")
        pack(whole)
        assert whole(torch.ones(1, 48, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_nothing_is_kept_of_whole_weights_on_the_way() -> None:
    """What the way back needs of a layer is its 4.5 bits a weight."""
    layers = nn.Sequential(*(layer_of("linear", 256, 256) for _ in range(4)))
    for layer in layers:
        pack(layer)
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda each: kept.append(each.nbytes) or each, lambda each: each):
        layers(torch.randn(1, 256, requires_grad=True))
    assert sum(kept) <= 4 * 256 * 256 * 0.5626
