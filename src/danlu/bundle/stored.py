"""In which number format the weights of a bundle are stored: the narrowest that holds them to the letter."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from transformers import PreTrainedModel

NARROW = (torch.bfloat16, torch.float16)


def in_float32(model: PreTrainedModel) -> PreTrainedModel:
    """The model itself where all its weights are float32, else a copy of which they are."""
    if all(tensor.dtype == torch.float32 for tensor in model.parameters()):
        return model
    plain: PreTrainedModel = copy.deepcopy(model).to(dtype=torch.float32)  # type: ignore[call-arg]
    return plain


@contextmanager
def narrowed(model: PreTrainedModel) -> Iterator[str]:
    """A float32 model whose weights are of that format as long as the block runs, and the name of the format.

    Weights that others trained have mostly 16 bits, so that twice as many would tell nothing. Buffers stay as they are.
    """
    whole = [(weights, weights.data) for weights in model.parameters()]
    told = model.config.dtype
    fitting = (dtype for dtype in NARROW if all(_holds(data, dtype) for _, data in whole))
    found = next(fitting, torch.float32)
    try:
        for weights, data in whole:
            weights.data = data.to(found)
        yield str(found).removeprefix("torch.")
    finally:
        for weights, data in whole:
            weights.data = data
        model.config.dtype = told


def _holds(data: Tensor, dtype: torch.dtype) -> bool:
    parts = torch.split(data.flatten(), 2**22)
    return all(torch.equal(part.to(dtype).to(part.dtype), part) for part in parts)
