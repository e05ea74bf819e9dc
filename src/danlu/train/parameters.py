"""The trained parameters of a model as two flat tensors: one that decays and one that does not.

A flat float32 master beside weights of bfloat16 costs one addition a step and keeps small updates that
bfloat16 (8 bits of mantissa) would round away. Gradients are summed in float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Flat:
    """Parameters that share a weight decay.

    - `weights`: what the model computes with; the parameters are views of it.
    - `master`: the same in float32; the very same tensor where the model computes in float32.
    - `gradient`: float32, `slices[i]` is the part of parameter i.
    """

    weights: Tensor
    master: nn.Parameter
    gradient: Tensor
    slices: list[Tensor]
    positions: list[int]


class FlatParameters:
    """All parameters of a model that are trained."""

    def __init__(self, model: nn.Module) -> None:
        """Move the trained parameters of `model` into flat storage; vectors and scalars do not decay."""
        self.named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        matrices = [i for i, (_, p) in enumerate(self.named) if p.dim() >= 2]
        vectors = [i for i, (_, p) in enumerate(self.named) if p.dim() < 2]
        self.flats = [self._flatten(positions) for positions in (matrices, vectors) if positions]
        self._filled_rows: dict[int, Tensor] = {}
        self.decays = [bool(positions is matrices) for positions in (matrices, vectors) if positions]

    def _flatten(self, positions: list[int]) -> Flat:
        parameters = [self.named[i][1] for i in positions]
        with torch.no_grad():
            weights = torch.cat([p.detach().reshape(-1) for p in parameters])
        master = nn.Parameter(weights if weights.dtype == torch.float32 else weights.float())
        gradient = torch.zeros_like(weights, dtype=torch.float32)
        for parameter, view in zip(parameters, _like(weights, parameters), strict=True):
            parameter.data = view
        master.grad = gradient
        return Flat(weights, master, gradient, _like(gradient, parameters), positions)

    def add(self, gradients: Sequence[Tensor | None], first: bool) -> None:
        """Add the gradients of one micro-batch, in the order of `named`; `first` overwrites instead."""
        for flat in self.flats:
            for part, i in zip(flat.slices, flat.positions, strict=True):
                gradient = gradients[i]
                if gradient is not None and gradient.is_sparse:
                    self._add_rows(part, i, gradient, first)
                elif first:
                    part.zero_() if gradient is None else part.copy_(gradient)
                elif gradient is not None:
                    part.add_(gradient.float())  # adding bfloat16 as it is takes twice as long

    def _add_rows(self, part: Tensor, position: int, gradient: Tensor, first: bool) -> None:
        """Add a gradient of some rows of an embedding; the rows of the step before are zero again if `first`."""
        rows, values = gradient._indices()[0], gradient._values().float()
        if first:
            filled = self._filled_rows.get(position)
            part.zero_() if filled is None else part.index_fill_(0, filled, 0.0)
            self._filled_rows[position] = rows
        else:
            self._filled_rows[position] = torch.cat([self._filled_rows[position], rows])
        part.index_add_(0, rows, values)

    def norm(self) -> Tensor:
        """Euclidean norm of all gradients."""
        norms = torch.stack([torch.linalg.vector_norm(flat.gradient) for flat in self.flats])
        total: Tensor = torch.linalg.vector_norm(norms)
        return total

    def scale(self, factor: float) -> None:
        """Multiply all gradients."""
        for flat in self.flats:
            flat.gradient.mul_(factor)

    def publish(self) -> None:
        """Copy the master into the weights that the model computes with."""
        for flat in self.flats:
            if flat.weights.dtype != torch.float32:
                flat.weights.copy_(flat.master.detach())

    def snapshot(self) -> list[Tensor]:
        """A copy of the master."""
        return [flat.master.detach().clone() for flat in self.flats]

    def by_name(self, masters: Sequence[Tensor]) -> dict[str, Tensor]:
        """Copies of masters, float32, under the names of their parameters."""
        named = {}
        for flat, master in zip(self.flats, masters, strict=True):
            for i, part in zip(flat.positions, _like(master, flat.slices), strict=True):
                named[self.named[i][0]] = part.detach().clone().cpu()
        return named

    @torch.no_grad()
    def restore(self, masters: Sequence[Tensor]) -> None:
        """Take over masters as `snapshot` gave them."""
        for flat, master in zip(self.flats, masters, strict=True):
            flat.master.copy_(master)
        self.publish()


def _like(flat: Tensor, parts: Sequence[Tensor]) -> list[Tensor]:
    """A flat tensor cut into the shapes of `parts`."""
    pieces = torch.split(flat, [part.numel() for part in parts])
    return [piece.view(part.shape) for piece, part in zip(pieces, parts, strict=True)]
