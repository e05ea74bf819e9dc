"""What has the same bits on one core as on several, so that one can do the work of several.

Two of torch's kernels on the way of a Transformer depend on the number of cores in their last digits: the gradients of
a layer norm's weight and bias, which are summed core by core, and that of softmax in float32, where the width is no
multiple of 8. The first is computed in the parts that several cores would have had where one core stands in for them
(`danlu.train.fair`), the second by its formula. All else was found to be the same, and is compared before it is relied
upon.

Legend: M rows, D width.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_stood_in = threading.local()


@contextmanager
def standing_in_for(cores: int) -> Iterator[None]:
    """Within the block the calling thread, which has one core, gives the gradients that so many would give."""
    _stood_in.cores = cores
    try:
        yield
    finally:
        _stood_in.cores = 1


class _InParts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, eps: float, parts: int) -> Tensor:
        output, mean, deviation = torch.native_layer_norm(hidden, list(weight.shape), weight, bias, eps)
        ctx.save_for_backward(hidden, mean, deviation, weight, bias)
        ctx.parts = parts
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        hidden, mean, deviation, weight, bias = ctx.saved_tensors
        width = weight.numel()
        rows = hidden.numel() // width
        each = -(-rows // min(ctx.parts, rows))
        flat = [tensor.reshape(rows, -1).split(each) for tensor in (gradients[0], hidden, mean, deviation)]
        wanted = [True, True, bias is not None]
        found = [
            torch.ops.aten.native_layer_norm_backward(out, given, [width], mean_M, deviation_M, weight, bias, wanted)
            for out, given, mean_M, deviation_M in zip(*flat, strict=True)
        ]
        of_weight = _summed([part[1] for part in found])
        of_bias = None if bias is None else _summed([part[2] for part in found])
        return torch.cat([part[0] for part in found]).view_as(hidden), of_weight, of_bias, None, None


def _summed(parts: list[Tensor]) -> Tensor:
    total = parts[0].float()
    for part in parts[1:]:
        total = total + part.float()
    return total.to(parts[0].dtype)


def softmax_gradient(gradient: Tensor, probabilities: Tensor) -> Tensor:
    """The gradient of the scores from that of their softmax over the last dimension."""
    if probabilities.dtype != torch.float32 or probabilities.shape[-1] % 8 == 0:
        return torch._softmax_backward_data(gradient, probabilities, -1, probabilities.dtype)
    weighted = gradient * probabilities
    return torch.addcmul(weighted, weighted.sum(-1, keepdim=True), probabilities, value=-1.0)


class SteadyLayerNorm(nn.LayerNorm):
    """`nn.LayerNorm` (Ba et al., 2016) that can stand in for several cores."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        parts = getattr(_stood_in, "cores", 1)
        if parts == 1 or self.weight is None or len(self.normalized_shape) != 1 or not hidden.numel():
            return super().forward(hidden)
        return _InParts.apply(hidden, self.weight, self.bias, self.eps, parts)  # type: ignore[no-any-return, no-untyped-call]


def use_steady_norms(model: nn.Module) -> None:
    """Make every plain layer norm of a model one that can stand in for several cores."""
    for module in model.modules():
        if type(module) is nn.LayerNorm:
            module.__class__ = SteadyLayerNorm
