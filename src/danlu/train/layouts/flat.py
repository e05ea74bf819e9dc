"""The trained parameters of a model as a few flat tensors: those that decay, and those that do not.

A flat float32 master beside weights of bfloat16 costs one addition a step and keeps small updates that bfloat16
(8 bits of mantissa) would round away. Gradients are summed in float32. Each group of a method has flat tensors of its
own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from danlu.machine.ranks import Ranks
from danlu.train.parameters import Parameters, Share
from danlu.tuning.group import Group


@dataclass(eq=False)
class _Flat:
    """Parameters that share a weight decay and a group.

    - `weights`: what the model computes with; the parameters are views of it.
    - `master`: the same in float32; the very same tensor where the model computes in float32.
    - `gradient`: float32, `slices[i]` is the part of parameter i.
    - `positions`: of its parameters among all that are trained.
    """

    weights: Tensor
    master: nn.Parameter
    gradient: Tensor
    slices: list[Tensor]
    positions: list[int]
    share: Share


class FlatParameters(Parameters):
    """Parameters for optimizers that work value by value: a handful of operations a step, however many layers."""

    def __init__(self, model: nn.Module, groups: Sequence[Group] = ()) -> None:
        """Move the trained parameters of `model` into flat storage; vectors and scalars do not decay."""
        self.named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        grouped: dict[str, Group] = {}
        for own_rate in groups:
            assert not grouped.keys() & own_rate.names, "a parameter is in two groups"
            grouped |= dict.fromkeys(own_rate.names, own_rate)
        self._flats: list[_Flat] = []
        several: tuple[Group | None, ...] = (None, *groups)
        for group in several:
            own = [i for i, (name, _) in enumerate(self.named) if grouped.get(name) is group]
            for decays in (True, False):
                positions = [i for i in own if (self.named[i][1].dim() >= 2) is decays]
                if positions:
                    self._flats.append(self._flatten(positions, decays, group))
        self.shares = [flat.share for flat in self._flats]
        self._filled_rows: dict[int, Tensor] = {}
        self._move(self._flats)

    def _flatten(self, positions: list[int], decays: bool, group: Group | None) -> _Flat:
        parameters = [self.named[i][1] for i in positions]
        with torch.no_grad():
            weights = torch.cat([p.detach().reshape(-1) for p in parameters])
        master = nn.Parameter(weights if weights.dtype == torch.float32 else weights.float())
        gradient = torch.zeros_like(weights, dtype=torch.float32)
        for parameter, view in zip(parameters, _like(weights, parameters), strict=True):
            parameter.data = view
        master.grad = gradient
        return _Flat(weights, master, gradient, _like(gradient, parameters), positions, Share([master], decays, group))

    def begin(self, step: int) -> list[int]:
        """Find the factors of the groups; what is frozen has no gradient, so that optimizers pass it by."""
        for flat in self._flats:
            if flat.share.group is not None:
                flat.share.factor = flat.share.group.factor(step)
                flat.master.grad = flat.gradient if flat.share.factor else None
        moving = [flat for flat in self._flats if flat.share.factor]
        if moving != self._moving:
            self._move(moving)
        return list(self._places)

    def _move(self, moving: list[_Flat]) -> None:
        self._moving = moving
        self._places = {i: place for place, i in enumerate(sorted(i for flat in moving for i in flat.positions))}

    def add(self, gradients: Sequence[Tensor | None], first: bool) -> None:
        """Add the gradients of one micro-batch, in the order that `begin` gave; `first` overwrites instead."""
        for flat in self._moving:
            for part, i in zip(flat.slices, flat.positions, strict=True):
                gradient = gradients[self._places[i]]
                if gradient is not None and gradient.is_sparse:
                    self._add_rows(part, i, gradient, first)
                elif first:
                    self._filled_rows.pop(i, None)
                    part.zero_() if gradient is None else part.copy_(gradient)
                elif gradient is not None:
                    self._filled_rows.pop(i, None)
                    part.add_(gradient.float())  # adding bfloat16 as it is takes twice as long

    def _add_rows(self, part: Tensor, position: int, gradient: Tensor, first: bool) -> None:
        """Add a gradient of some rows of an embedding; the rows of the step before are zero again if `first`."""
        rows, values = gradient._indices()[0], gradient._values().float()
        filled = self._filled_rows.get(position)
        if first:
            part.zero_() if filled is None else part.index_fill_(0, filled, 0.0)
        self._filled_rows[position] = rows if first or filled is None else torch.cat([filled, rows])
        part.index_add_(0, rows, values)

    def together(self, ranks: Ranks) -> None:
        """Sum the gradients over the ranks, as a few flat tensors."""
        super().together(ranks)
        if ranks.several:
            self._filled_rows.clear()  # other ranks have read other rows

    def norm(self) -> Tensor:
        """Euclidean norm of all gradients of what moves."""
        if not self._moving:
            return torch.zeros(())
        norms = torch.stack([torch.linalg.vector_norm(piece) for flat in self._moving for piece in self._pieces(flat)])
        total: Tensor = torch.linalg.vector_norm(norms)
        return total

    def _pieces(self, flat: _Flat) -> Iterator[Tensor]:
        """All gradients; of an embedding the rows that were read: others cost no time, nor change the rounding."""
        start = end = 0
        for part, i in zip(flat.slices, flat.positions, strict=True):
            filled = self._filled_rows.get(i)
            if filled is not None:
                if end > start:
                    yield flat.gradient[start:end]
                yield part[filled.unique()]  # type: ignore[no-untyped-call]
                start = end + part.numel()
            end += part.numel()
        if end > start:
            yield flat.gradient[start:end]

    def scale(self, factor: float) -> None:
        """Multiply all gradients of what moves."""
        for flat in self._moving:
            flat.gradient.mul_(factor)

    def publish(self) -> None:
        """Copy the masters into the weights that the model computes with, where these are others."""
        for flat in self._flats:
            if flat.weights.dtype != torch.float32:
                flat.weights.copy_(flat.master.detach())

    def by_name(self, values: Sequence[Tensor]) -> dict[str, Tensor]:
        """Views of `values`, one flat tensor each, under the names and in the shapes of the parameters."""
        parts: dict[int, Tensor] = {}
        for flat, value in zip(self._flats, values, strict=True):
            parts |= zip(flat.positions, _like(value, flat.slices), strict=True)
        return {name: parts[i] for i, (name, _) in enumerate(self.named)}

    def tensors(self) -> list[Tensor]:
        """Weights, masters and gradients."""
        return [tensor for flat in self._flats for tensor in (flat.weights, flat.master.detach(), flat.gradient)]


def _like(flat: Tensor, parts: Sequence[Tensor]) -> list[Tensor]:
    """A flat tensor cut into the shapes of `parts`."""
    pieces = torch.split(flat, [part.numel() for part in parts])
    return [piece.view(part.shape) for piece, part in zip(pieces, parts, strict=True)]
