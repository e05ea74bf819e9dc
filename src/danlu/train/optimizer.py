"""Optimizers over the trained parameters, in the layout that each works on: a handful of fused operations a step."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from danlu.refusal import Refusal
from danlu.train.layouts.flat import FlatParameters
from danlu.train.layouts.matrices import MatrixParameters
from danlu.train.muon import Muon
from danlu.train.parameters import Parameters, Share
from danlu.tuning.group import Group

OptimizerName = Literal["adamw", "sgd", "adafactor", "muon"]

Layout = Callable[[nn.Module, Sequence[Group]], Parameters]

LAYOUTS: dict[OptimizerName, Layout] = {
    "adamw": FlatParameters,
    "sgd": FlatParameters,
    "adafactor": MatrixParameters,
    "muon": MatrixParameters,
}
"""How the parameters lie that an optimizer steps: the first two work value by value, the others matrix by matrix."""

MOMENTUM: dict[OptimizerName, float] = {"sgd": 0.9, "muon": 0.95}
"""What they are published with."""


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
    momentum: float | None = None,
    matrix_rate: float | None = None,
) -> Optimizer:
    """The optimizer of this name; vectors do not decay.

    - `adamw`: Loshchilov and Hutter, 2019, fused. `sgd`: with momentum, fused.
    - `adafactor`: Shazeer and Stern, 2018, without momentum. Its rate is relative to the size of what it moves.
    - `muon`: for the matrices of layers, and fused AdamW for all else; see there. `matrix_rate` is one of their own.

    Raises:
        Refusal: there is no matrix that Muon could move.
    """
    momentum = MOMENTUM.get(name) if momentum is None else momentum
    groups: list[dict[str, Any]] = [
        {"params": share.tensors, "weight_decay": weight_decay if share.decays else 0.0} for share in parameters.shares
    ]
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=betas, fused=True)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=momentum or 0.0, fused=True)
    if name == "adafactor":
        return torch.optim.Adafactor(groups, lr=rate)
    if not any(share.matrices for share in parameters.shares):
        raise Refusal(
            "train.optimizer: 'muon' moves the matrices of layers, and none of them is trained here; use adamw, or a "
            "tuning method that trains some"
        )
    for group, share in zip(groups, parameters.shares, strict=True):
        group["times"] = matrix_rate / rate if matrix_rate and share.matrices else 1.0
    matrices = [share.matrices for share in parameters.shares]
    return Muon(groups, matrices, rate=rate, betas=betas, momentum=momentum or 0.0)


def moment_bytes(name: OptimizerName, share: Share, momentum: float | None = None) -> int:
    """Bytes that an optimizer keeps of what it moves, the numbers of steps left out; the tensors may be on `meta`."""
    return sum(4 * _kept(name, tensor, momentum, matrix=share.matrices) for tensor in share.tensors)


def _kept(name: OptimizerName, tensor: Tensor, momentum: float | None, *, matrix: bool) -> int:
    """Values that are kept of a tensor."""
    if name == "adafactor":
        many = tensor.dim() > 1
        return tensor.numel() // tensor.shape[-1] + tensor.numel() // tensor.shape[-2] if many else tensor.numel()
    if name == "sgd" and momentum == 0.0:
        return 0
    return tensor.numel() * (1 if name == "sgd" or matrix else 2)
