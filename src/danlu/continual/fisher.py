"""How much each parameter matters to what was learnt: the diagonal of the Fisher information.

It is the empirical one, of the truths of the data, since that is defined for the loss of every task.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor


def fisher(parameters: Mapping[str, Tensor], losses: Sequence[Callable[[], Tensor]]) -> dict[str, Tensor]:
    """Mean of the squared gradients of the losses, each of one example, by the names of the parameters; float32."""
    found = {name: torch.zeros(value.shape) for name, value in parameters.items()}
    for loss in losses:
        gradients = torch.autograd.grad(loss(), list(parameters.values()), allow_unused=True)
        for total, gradient in zip(found.values(), gradients, strict=True):
            if gradient is not None:
                dense = gradient.to_dense() if gradient.is_sparse else gradient
                total.add_(dense.detach().float().cpu().square())
    return {name: total / max(1, len(losses)) for name, total in found.items()}
