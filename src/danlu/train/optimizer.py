"""Optimizers over the flat parameters: a handful of fused operations a step, however many layers."""

from typing import Literal

import torch
from torch.optim import Optimizer

from danlu.train.parameters import FlatParameters

OptimizerName = Literal["adamw", "sgd"]


def build_optimizer(
    name: OptimizerName,
    parameters: FlatParameters,
    *,
    rate: float,
    weight_decay: float,
    betas: tuple[float, float],
    momentum: float,
) -> Optimizer:
    """AdamW (Loshchilov and Hutter, 2019) or SGD with momentum, fused; vectors do not decay."""
    groups = [
        {"params": [flat.master], "weight_decay": weight_decay if decays else 0.0}
        for flat, decays in zip(parameters.flats, parameters.decays, strict=True)
    ]
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=betas, fused=True)
    return torch.optim.SGD(groups, lr=rate, momentum=momentum, fused=True)
