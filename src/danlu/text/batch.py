"""Tensors of one step, and how examples of like lengths come together in few distinct shapes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(slots=True)
class Batch:
    """What the model is called with, and what the loss needs.

    - `inputs`: keyword arguments of the model, each (B, T).
    - `labels`: (B,) or (B, T), -100 where nothing counts.
    - `count`: how many labels count; the loss of a step is divided by the sum of these.
    - `examples`: (B,), positions of the rows among the encoded examples.
    - `tokens`: how many tokens are not padding.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    count: int
    examples: NDArray[np.int64]
    tokens: int
