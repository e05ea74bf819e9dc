"""What an accelerator computes faster in another form: few large kernels, and matrices whose sides it likes.

Measured on an H200 in bfloat16 (2026-11): a product with 50,257 columns takes four times as long as with 50,304, which
was a third of a step of GPT-2; GELU by its formula and root mean square norms are a dozen small kernels each.
"""

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import NewGELUActivation

from danlu.machine.device import device
from danlu.model.heads import unwrapped

MULTIPLE = 64
"""Columns of a product: rows of 128 bytes, in which bfloat16 tensors lie well."""
LEAST = 1024
"""Columns from which a product costs enough that a copy of its weights pays."""


class AlignedLinear(nn.Linear):
    """A wide `nn.Linear` computed with more columns than it has, of which the last are thrown away."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., D) to (..., V)."""
        spare = -self.out_features % MULTIPLE
        weight = functional.pad(self.weight, (0, 0, 0, spare))
        bias = None if self.bias is None else functional.pad(self.bias, (0, spare))
        return functional.linear(hidden, weight, bias)[..., : self.out_features]


class FusedGELU(NewGELUActivation):
    """GELU by its tangent formula (Hendrycks and Gimpel, 2016) in one kernel each way."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Of each value."""
        return functional.gelu(hidden, approximate="tanh")


def use_fused_gelu(model: nn.Module) -> None:
    """Let GPT-2 and its kin compute GELU in one kernel; on a CPU that takes half of the time, too."""
    for module in model.modules():
        if type(module) is NewGELUActivation:
            module.__class__ = FusedGELU


def use_aligned_heads(model: nn.Module) -> None:
    """Let wide layers of a size that accelerators do not like be computed with a few columns more."""
    for module in model.modules():
        if type(module) is nn.Linear and module.out_features >= LEAST and module.out_features % MULTIPLE:
            module.__class__ = AlignedLinear


def use_fused_norms(model: nn.Module) -> None:
    """Let root mean square norms (Zhang and Sennrich, 2019) be one kernel each way, where they are that."""
    fused: dict[type[nn.Module], type[nn.Module]] = {}
    for module in model.modules():
        kind = type(module)
        if kind not in fused and _is_plain_norm(module):
            fused[kind] = type(kind.__name__, (kind,), {"forward": _normed})
        if kind in fused:
            module.__class__ = fused[kind]


def _is_plain_norm(module: Any) -> bool:
    """Whether it is named so, and says what the formula says."""
    if not type(module).__name__.endswith("RMSNorm") or not hasattr(module, "variance_epsilon"):
        return False
    weight = module.weight
    hidden = torch.linspace(-2, 3, 2 * weight.numel(), dtype=weight.dtype, device=weight.device).view(2, -1)
    with torch.no_grad():
        return torch.allclose(
            module(hidden), _normed(module, hidden), rtol=1e-2 if weight.dtype != torch.float32 else 1e-4
        )


def _normed(self: Any, hidden: Tensor) -> Tensor:
    return functional.rms_norm(hidden, self.weight.shape, self.weight, self.variance_epsilon)


def use_accelerator(model: nn.Module) -> None:
    """Put all of this into a model that is on an accelerator."""
    if device().type == "cpu":
        return
    use_aligned_heads(model)
    use_fused_norms(model)


def compile_layers(model: nn.Module, say: Callable[[str], object]) -> None:
    """Let torch write kernels for the layers of a model that is on an accelerator; those that repeat share them.

    What torch cannot compile is computed as before. On a CPU, where several replicas compute side by side, and for a
    model without layers that repeat, all is left as it is, which is said.
    """
    layers = list(_repeated(unwrapped(model)))
    if device().type == "cpu" or not layers:
        reason = "has no layers that repeat" if not layers else "is on a CPU"
        say(f"compile: left out, for the model {reason}")
        return
    torch._dynamo.config.suppress_errors = True  # such as where there is no compiler of C
    logging.getLogger("torch._dynamo").setLevel(logging.ERROR)
    for layer in layers:
        layer.compile()
    say(f"compile: {len(layers)} layers; the first steps take long")


def _repeated(model: nn.Module) -> Iterator[nn.Module]:
    """The layers of all stacks: lists of modules of one kind."""
    for module in model.modules():
        kinds = {type(each) for each in module} if isinstance(module, nn.ModuleList) else set()
        if len(kinds) == 1 and re.search("Layer|Block", kinds.pop().__name__):
            yield from module.children()
