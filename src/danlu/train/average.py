"""Averaged weights: an exponential moving average of the parameters, often better than any single one.

Source: Polyak and Juditsky, 1992; the warm-up of the decay is TensorFlow's, so that the start does not linger.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from danlu.train.parameters import Parameters


def decay_at(decay: float, step: int) -> float:
    """What is left of an average after a step, counted from 0: less in the first ones, whose weights are far off."""
    return min(decay, (1 + step) / (10 + step))


class Average:
    """A moving average beside the parameters, and the only second copy of them; with decay 0 there is none."""

    def __init__(self, parameters: Parameters, decay: float) -> None:
        """Start from the present weights."""
        self.parameters, self.decay = parameters, decay
        self.values: list[Tensor] = parameters.snapshot() if decay else []

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the parameters after a step, counted from 0."""
        if not self.values:
            return
        decay = decay_at(self.decay, step)
        for value, now in zip(self.values, self.parameters.values(), strict=True):
            value.lerp_(now, 1 - decay)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """For a while the average is the parameters, with which the model computes; the two change places."""
        if not self.values:
            yield
            return
        self.parameters.swap(self.values)
        try:
            yield
        finally:
            self.parameters.swap(self.values)
