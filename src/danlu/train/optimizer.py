"""Optimizers over the trained parameters, in the layout that each works on: a handful of fused operations a step."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer

from danlu.train.layouts.flat import FlatParameters
from danlu.train.parameters import Parameters
from danlu.tuning.group import Group

OptimizerName = Literal["adamw", "sgd"]

Layout = Callable[[nn.Module, Sequence[Group]], Parameters]

LAYOUTS: dict[OptimizerName, Layout] = {"adamw": FlatParameters, "sgd": FlatParameters}
"""How the parameters lie that an optimizer steps; both of these work value by value."""


def lay_out(name: OptimizerName, model: nn.Module, groups: Sequence[Group] = ()) -> Parameters:
    """The trained parameters of `model` as the optimizer of this name wants them."""
    return LAYOUTS[name](model, groups)


def build_optimizer(
    name: OptimizerName,
    parameters: Parameters,
    *,
    rate: float,
    weight_decay: float,
    betas: tuple[float, float],
    momentum: float,
) -> Optimizer:
    """AdamW (Loshchilov and Hutter, 2019) or SGD with momentum, fused; vectors do not decay."""
    groups = [
        {"params": share.tensors, "weight_decay": weight_decay if share.decays else 0.0} for share in parameters.shares
    ]
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=betas, fused=True)
    return torch.optim.SGD(groups, lr=rate, momentum=momentum, fused=True)


def bytes_a_value(name: OptimizerName, **settings: Any) -> int:
    """Bytes that an optimizer keeps of each value that it moves, its moments, found by a step of a small one."""
    small = nn.Linear(8, 8, bias=False)
    parameters = lay_out(name, small)
    optimizer = build_optimizer(name, parameters, rate=0.0, **settings)
    parameters.step(optimizer, 0.0)
    kept = parameters.state(optimizer).items()
    moments = sum(value.nbytes for key, value in kept if key.startswith("optimizer."))
    return moments // small.weight.numel()  # the number of the step, which does not grow, is less than a byte
