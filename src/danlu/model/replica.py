"""Copies of a model that share its weights, so that several threads can use it at once."""

import copy
from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def replica(model: Module) -> Module:
    """A second module over the same storage: same weights, gradients and hooks of its own."""
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    memo: dict[int, object] = {
        key: nn.Parameter(tensor.data, requires_grad=tensor.requires_grad)
        if isinstance(tensor, nn.Parameter)
        else tensor
        for key, tensor in shared.items()
    }
    return copy.deepcopy(model, memo)
