"""Rows that are computed a few at a time, and anew on the way back, so that large batches fit into memory.

What stays of the first pass is its result alone (Chen et al., 2016); for losses across rows that is GradCache (Gao et
al., 2021): the loss sees the vectors of all rows, and the network never holds more than a few of them.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from danlu.model.dropout import drawn_as_now


def a_few_at_a_time(
    compute: Callable[[Mapping[str, Tensor]], Tensor], inputs: Mapping[str, Tensor], rows: int
) -> Tensor:
    """`compute` of `inputs`, whose first dimension are rows, with `rows` of them at once; the gradient is the same.

    Dropout draws the same masks both times.
    """
    count = len(next(iter(inputs.values())))
    found = []
    for start in range(0, count, rows):
        piece = {name: value[start : start + rows] for name, value in inputs.items()}
        both = partial(contexts, drawn_as_now())
        found.append(checkpoint(compute, piece, use_reentrant=False, context_fn=both))
    return torch.cat(found)


def contexts(again: AbstractContextManager[None]) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """In which the first pass is computed, and the second."""
    return nullcontext(), again
