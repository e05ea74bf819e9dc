"""Linear layers whose weights lie as the processor's kernel wants them: packed once, not at every call.

MiniLM in bfloat16, batches of 1,024 tokens, 2 cores: 105 % of the speed of a large product where the plain layer
has 90 %, and 7 % more sentences a second with gelu inside the product (2026-11). In float32 it depends on the
processor: on an AMD EPYC the plain product of 2 to 32 rows takes 1.3 to 3.3 times as long, and of 128 rows 1.2 to 1.4
times (2026-11); so it is measured. For weights that do not change any more; they are held twice, plain and packed.
"""

import time
from functools import cache
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import GELUActivation

from danlu.machine.device import best_ever
from danlu.machine.memory import free_memory
from danlu.model.replica import replica

_LARGEST = 2**31
"""Bytes of linear weights up to which a second copy is a fair price, where twice as many are free."""

_SMALLEST = 2**17
"""Weights of a layer that is worth it: a packed product takes 40 us to begin, a plain one 5 (2026-11)."""

_ROWS, _SIDES = 16, (1536, 384)
"""Of the product that tells whether packing pays in float32: such as of texts that are written side by side."""

_GAIN = 1.1
"""How many times as fast the packed product has to be there."""


Packed = dict[int, tuple[Tensor, Tensor]]
"""Weights, and these packed, by where the weights lie: who is given them does not pack the same again."""

_AFTER_DENSE = "intermediate_act_fn"
"""What the feed-forward layers of BERT and its kin apply to the result of their `dense`."""


class PackedLinear(nn.Module):
    """Stands in for `nn.Linear` while nobody trains."""

    packed: Tensor

    def __init__(self, plain: nn.Linear, known: Packed, *, gelu: bool = False) -> None:
        """Pack the weights that `plain` has now, unless they are `known`; later changes of them go unseen.

        With `gelu`, that of the result is given (Hendrycks and Gimpel, 2016; by the error function).
        """
        super().__init__()
        self.weight, self.bias = plain.weight, plain.bias
        self.in_features, self.out_features = plain.in_features, plain.out_features
        self._after = "gelu" if gelu else "none"
        weight = plain.weight.detach()
        if weight.data_ptr() not in known:  # with the weight itself, so that no other one comes to lie there
            known[weight.data_ptr()] = weight, torch.ops.mkldnn._reorder_linear_weight(weight, None)
        self.register_buffer("packed", known[weight.data_ptr()][1], persistent=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        result: Tensor = torch.ops.mkldnn._linear_pointwise(hidden, self.packed, self.bias, self._after, [], "none")
        return result


def packed(model: nn.Module, known: Packed) -> nn.Module:
    """A second module over the weights of a model that does not learn any more, its linear layers packed.

    What is `known` is not packed again; what is packed becomes known.
    Where packing does not pay it is a plain replica: on an accelerator, without oneDNN, in float32 on some processors,
    and where the weights are so large that a second copy would hurt. Small layers stay plain.
    """
    copy = replica(model)
    layers = [module for module in copy.modules() if _is_plain(module) and module.weight.numel() >= _SMALLEST]
    size = sum(layer.weight.numel() * layer.weight.element_size() for layer in layers)
    if not layers or size > min(_LARGEST, free_memory() / 2) or not _pays(layers[0].weight):
        return copy
    chosen: set[nn.Module] = {*layers}
    for module in list(copy.modules()):
        for name, child in module.named_children():
            if _is_plain(child) and child in chosen and child.weight.dtype == layers[0].weight.dtype:
                gelu = name == "dense" and _is_gelu(getattr(module, _AFTER_DENSE, None))
                setattr(module, name, PackedLinear(child, known, gelu=gelu))
                if gelu:
                    setattr(module, _AFTER_DENSE, nn.Identity())
    return copy


def _is_plain(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether it is a linear layer and no more: a tuning method may have put something at one."""
    hooked = module._forward_hooks or module._forward_pre_hooks
    return type(module) is nn.Linear and not hooked and not module._modules


def _is_gelu(activation: object) -> bool:
    return isinstance(activation, GELUActivation) and activation.act is functional.gelu


def _pays(weight: Tensor) -> bool:
    known = hasattr(torch.ops.mkldnn, "_reorder_linear_weight") and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    if not known or weight.device.type != "cpu":
        return False
    if weight.dtype == torch.float32:
        return _pays_in_float32()
    return weight.dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@cache
def _pays_in_float32() -> bool:
    """Whether the packed product is measured to be faster, here or ever before: both in turn, the best of each."""
    names = [f"linear, float32, {kind}" for kind in ("plain", "packed")]
    kept = best_ever({})
    if not all(name in kept for name in names):
        with torch.random.fork_rng(devices=[]):
            plain, hidden = nn.Linear(_SIDES[1], _SIDES[0], bias=False), torch.randn(_ROWS, _SIDES[1])
        layers = [plain, PackedLinear(plain, {})]
        seconds = [float("inf")] * 2
        with torch.inference_mode():
            for _ in range(20):
                for place, layer in enumerate(layers):
                    begun = time.perf_counter()
                    layer(hidden)
                    seconds[place] = min(seconds[place], time.perf_counter() - begun)
        operations = 2.0 * _ROWS * _SIDES[0] * _SIDES[1]
        kept = best_ever({name: operations / each for name, each in zip(names, seconds, strict=True)})
    return kept[names[1]] >= _GAIN * kept[names[0]]
