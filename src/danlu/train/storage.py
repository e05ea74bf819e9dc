"""Where trained parameters lie, in whatever pieces an optimizer wants them: a few flat tensors.

A flat float32 master beside weights of bfloat16 costs one addition a step and keeps small updates that bfloat16
(8 bits of mantissa) would round away. Gradients are summed in float32. Each group of a method has flat tensors of its
own. So norm, clipping and the copy into the weights are a handful of operations, however many layers there are.
"""

from abc import abstractmethod
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
    - `master`: the same in float32; the very same tensor where the model computes in float32. `share` has it whole, or
      the part of each parameter.
    - `gradient`: float32, `slices[i]` is the part of parameter i.
    - `positions`: of its parameters among all that are trained.
    """

    weights: Tensor
    master: Tensor
    gradient: Tensor
    slices: list[Tensor]
    positions: list[int]
    share: Share


class Stored(Parameters):
    """Parameters in flat storage; a layout says which of them lie together, and whether each is stepped by itself."""

    def __init__(self, model: nn.Module, groups: Sequence[Group] = ()) -> None:
        """Move the trained parameters of `model` into flat storage; vectors and scalars do not decay."""
        self.named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        grouped: dict[str, Group] = {}
        for own_rate in groups:
            assert not grouped.keys() & own_rate.names, "a parameter is in two groups"
            grouped |= dict.fromkeys(own_rate.names, own_rate)
        matrices = self._matrices(model)
        self._flats: list[_Flat] = []
        several: tuple[Group | None, ...] = (None, *groups)
        for group in several:
            own = [i for i, (name, _) in enumerate(self.named) if grouped.get(name) is group]
            for decays, turned in ((True, True), (True, False), (False, False)):
                asked = (decays, turned)
                positions = [i for i in own if (self.named[i][1].dim() >= 2, self.named[i][0] in matrices) == asked]
                if positions:
                    self._flats.append(self._flatten(positions, Share([], decays, group, matrices=turned)))
        self.shares = [flat.share for flat in self._flats]
        self._filled_rows: dict[int, Tensor] = {}
        self._move(self._flats)

    @abstractmethod
    def _matrices(self, model: nn.Module) -> frozenset[str]:
        """Names of the matrices that have shares of their own."""

    @abstractmethod
    def _pieces_of(self, flat: Tensor, parts: Sequence[Tensor]) -> list[Tensor]:
        """The views of a flat tensor that an optimizer steps; `parts` are those of its parameters."""

    def _flatten(self, positions: list[int], share: Share) -> _Flat:
        parameters = [self.named[i][1] for i in positions]
        with torch.no_grad():
            weights = torch.cat([p.detach().reshape(-1) for p in parameters])
        master = weights if weights.dtype == torch.float32 else weights.float()
        gradient = torch.zeros_like(weights, dtype=torch.float32)
        for parameter, view in zip(parameters, _like(weights, parameters), strict=True):
            parameter.data = view
        slices = _like(gradient, parameters)
        share.tensors = [nn.Parameter(piece) for piece in self._pieces_of(master, _like(master, parameters))]
        flat = _Flat(weights, master, gradient, slices, positions, share)
        self._let_move(flat)
        return flat

    def _let_move(self, flat: _Flat) -> None:
        """Give its tensors their gradients, or none where it stands still."""
        pieces = self._pieces_of(flat.gradient, flat.slices)
        for tensor, piece in zip(flat.share.tensors, pieces, strict=True):
            tensor.grad = piece if flat.share.factor else None

    def begin(self, step: int) -> list[int]:
        """Find the factors of the groups; what is frozen has no gradient, so that optimizers pass it by."""
        for flat in self._flats:
            if flat.share.group is not None:
                flat.share.factor = flat.share.group.factor(step)
                self._let_move(flat)
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
        if ranks.several:
            for flat in self._moving:
                ranks.add(flat.gradient)
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
                flat.weights.copy_(flat.master)

    def by_name(self, values: Sequence[Tensor]) -> dict[str, Tensor]:
        """Views of `values`, laid out as those of the shares, under the names and in the shapes of the parameters."""
        parts, start = dict[int, Tensor](), 0
        for flat in self._flats:
            end = start + len(flat.share.tensors)
            own = values[start:end]
            whole = own if len(own) == len(flat.slices) else _like(own[0], flat.slices)
            parts |= zip(
                flat.positions,
                (view.view(part.shape) for view, part in zip(whole, flat.slices, strict=True)),
                strict=True,
            )
            start = end
        return {name: parts[i] for i, (name, _) in enumerate(self.named)}

    def tensors(self) -> list[Tensor]:
        """Weights, masters and gradients."""
        return [tensor for flat in self._flats for tensor in (flat.weights, flat.master, flat.gradient)]


def _like(flat: Tensor, parts: Sequence[Tensor]) -> list[Tensor]:
    """A flat tensor cut into the shapes of `parts`."""
    pieces = torch.split(flat, [part.numel() for part in parts])
    return [piece.view(part.shape) for piece, part in zip(pieces, parts, strict=True)]
