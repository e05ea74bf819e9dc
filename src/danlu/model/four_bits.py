"""Linear layers whose weights lie in 4 bits, in the steps of a normal distribution (Dettmers et al., 2023, NF4).

A block of 64 weights has a scale, its largest number; each weight is the nearest of 16 levels times that. A layer makes
whole weights of them when it computes, for the gradient once more, and keeps none. Nothing trains them.

Legend: O outputs, I inputs, N weights, J blocks.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

BLOCK = 64
"""Weights that share a scale of 32 bits."""
BITS = 4 + 32 / BLOCK
"""Of a weight, with its part of the scale: 4.5."""

LEVELS = (
    *(-1.0, -0.6961928010, -0.5250730515, -0.3949174881, -0.2844413817, -0.1847734302, -0.0910500363, 0.0),
    *(0.0795802996, 0.1609302014, 0.2461123019, 0.3379152417, 0.4407098293, 0.5626170039, 0.7229568362, 1.0),
)
"""Quantiles of the normal distribution, 0 among them, as a share of the largest (appendix E of the paper)."""

CODES, SCALES, FORMAT = "weight_codes", "weight_scales", "weight_format"
"""Names in a layer; the last is of an empty tensor, which follows the model into other number formats."""


def packed(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Two weights a byte, (N / 2,) rounded up to whole blocks, and the scales (J,) as the bits of a float32.

    As whole numbers neither follows a model into another number format.
    """
    blocks = -(-weight.numel() // BLOCK)
    if weight.is_meta:
        return weight.new_empty(blocks * BLOCK // 2, dtype=torch.uint8), weight.new_empty(blocks, dtype=torch.int32)
    flat_N = functional.pad(weight.detach().float().flatten(), (0, blocks * BLOCK - weight.numel()))
    blocks_JN = flat_N.view(blocks, BLOCK)
    scales_J = blocks_JN.abs().amax(1)
    levels = torch.tensor(LEVELS, device=weight.device)
    shares_JN = blocks_JN / scales_J.clamp_min(torch.finfo(torch.float32).tiny)[:, None]
    codes_N = torch.bucketize(shares_JN.flatten(), (levels[1:] + levels[:-1]) / 2).to(torch.uint8)
    return codes_N[::2] | (codes_N[1::2] << 4), scales_J.view(torch.int32)


def unpacked(codes: Tensor, scales_J: Tensor, shape: torch.Size) -> Tensor:
    """The weights that `packed` has kept, of that shape, in float32."""
    levels = torch.tensor(LEVELS, device=codes.device)
    byte = torch.arange(256, device=codes.device)
    pairs = torch.stack([levels[byte & 15], levels[byte >> 4]], 1)  # of all bytes, so that one is looked up for two
    weights_JN = pairs[codes.int()].view(-1, BLOCK)
    weights_JN *= scales_J.view(torch.float32)[:, None]
    return weights_JN.flatten()[: shape.numel()].view(shape)


class _Product(torch.autograd.Function):
    """A product with weights that are unpacked for it, and again for its gradient."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, codes: Tensor, scales: Tensor, shape: torch.Size, transposed: bool) -> Tensor:
        ctx.save_for_backward(codes, scales)
        ctx.shape, ctx.transposed = shape, transposed
        weight = unpacked(codes, scales, shape).to(hidden.dtype)
        return hidden @ weight if transposed else functional.linear(hidden, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        codes, scales = ctx.saved_tensors
        weight = unpacked(codes, scales, ctx.shape).to(gradient.dtype)
        found = functional.linear(gradient, weight) if ctx.transposed else gradient @ weight
        return found, None, None, None, None


class _Packed(nn.Module):
    """What both kinds of layers have whose weights are packed."""

    shape: torch.Size
    bias: Tensor | None
    weight_codes: Tensor
    weight_scales: Tensor
    weight_format: Tensor

    def whole(self) -> Tensor:
        """The weights, in float32."""
        return unpacked(self.weight_codes, self.weight_scales, self.shape)

    @property
    def weight(self) -> Tensor:
        """The weights in the number format of the model; made when they are asked for."""
        return self.whole().to(self.weight_format.dtype)

    def _product(self, hidden: Tensor, *, transposed: bool) -> Tensor:
        found: Tensor = _Product.apply(hidden, self.weight_codes, self.weight_scales, self.shape, transposed)  # type: ignore[no-untyped-call]
        return found if self.bias is None else found + self.bias.to(found.dtype)


class FourBits(_Packed, nn.Linear):  # type: ignore[misc, override]
    """A linear layer with packed weights (O, I)."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as the layer that it stands for calls it
        """The same product, of the weights that are left of the original ones."""
        return self._product(input, transposed=False)


class FourBitsTransposed(_Packed, Conv1D):  # type: ignore[misc]
    """A layer of GPT-2 with packed weights (I, O)."""

    def forward(self, x: Tensor) -> Tensor:
        """The same product, of the weights that are left of the original ones."""
        return self._product(x, transposed=True)


_PACKED: dict[type[nn.Module], type[nn.Module]] = {nn.Linear: FourBits, Conv1D: FourBitsTransposed}


def packable(layer: nn.Module) -> bool:
    """Whether a layer is a plain one; those of some families compute in a way of their own."""
    return type(layer) in _PACKED


def pack(layer: nn.Module) -> None:
    """Let a linear layer keep its weights in 4 bits; names around it, and what holds it, stay."""
    weight = layer._parameters.pop("weight")
    assert weight is not None
    codes, scales = packed(weight)
    layer.__class__ = _PACKED[type(layer)]
    vars(layer)["shape"] = weight.shape
    for name, value in ((CODES, codes), (SCALES, scales)):
        layer.register_parameter(name, nn.Parameter(value, requires_grad=False))
    layer.register_buffer(FORMAT, weight.detach().new_empty(0), persistent=False)


def unpack_all(model: nn.Module) -> None:
    """Let all layers keep whole weights again, those that they have computed with, in float32."""
    plain = {packed_class: before for before, packed_class in _PACKED.items()}
    for layer in model.modules():
        if isinstance(layer, _Packed):
            weight = layer.whole()
            for name in (CODES, SCALES, FORMAT):
                delattr(layer, name)
            del vars(layer)["shape"]
            layer.__class__ = plain[type(layer)]  # type: ignore[assignment]
            layer.register_parameter("weight", nn.Parameter(weight, requires_grad=False))


def elements(layer: nn.Module) -> int:
    """How many weights of a layer are packed, none of which is trained."""
    return layer.shape.numel() if isinstance(layer, _Packed) else 0


def hidden_elements(model: nn.Module) -> int:
    """How many more weights a model has than its parameters have numbers, since several share one."""
    layers = [layer for layer in model.modules() if isinstance(layer, _Packed)]
    return sum(elements(each) - each.weight_codes.numel() - each.weight_scales.numel() for each in layers)
