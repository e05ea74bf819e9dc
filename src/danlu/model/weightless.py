"""Networks without their weights: the same modules on torch's meta device, where a tensor has a shape and no values."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from danlu.machine.meter import META

Module = TypeVar("Module", bound=nn.Module)


def weightless(model: Module) -> Module:
    """A copy of `model` without weights; buffers of whole numbers, which say where to look, keep their values."""
    memo: dict[int, object] = {id(tensor): _empty(tensor) for tensor in (*model.parameters(), *model.buffers())}
    copied = copy.deepcopy(model, memo)
    for module in copied.modules():
        if isinstance(module, nn.Embedding):
            module.sparse = False  # torch knows no shapes of sparse gradients
    return copied


def _empty(tensor: Tensor) -> Tensor:
    if not isinstance(tensor, nn.Parameter) and not tensor.is_floating_point() and tensor.device != META:
        return tensor.cpu()
    bare = torch.empty_like(tensor, device=META)
    return nn.Parameter(bare, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else bare
