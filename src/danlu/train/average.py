"""Averaged weights: an exponential moving average of the master, often better than any single one.

Source: Polyak and Juditsky, 1992; the warm-up of the decay is TensorFlow's, so that the start does not linger.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from danlu.train.parameters import FlatParameters


class Average:
    """A moving average beside the master; with decay 0 it is the master itself."""

    def __init__(self, parameters: FlatParameters, decay: float) -> None:
        """Start from the present weights."""
        self.parameters, self.decay = parameters, decay
        self.values: list[Tensor] = parameters.snapshot() if decay else []

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the master after a step, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for value, flat in zip(self.values, self.parameters.flats, strict=False):
            value.lerp_(flat.master, 1 - decay)

    @contextmanager
    def in_force(self) -> Iterator[list[Tensor]]:
        """Let the model compute with the average for a while; gives the masters that are in force."""
        if not self.values:
            yield [flat.master.detach() for flat in self.parameters.flats]
            return
        kept = self.parameters.snapshot()
        self.parameters.restore(self.values)
        try:
            yield self.values
        finally:
            self.parameters.restore(kept)
