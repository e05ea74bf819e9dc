"""Neurons between the two sides of each feed-forward layer (Li et al., 2017; Molchanov et al., 2019)."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from danlu.compress.anatomy import Block, Family, blocks, family_of, rows_first
from danlu.compress.importance import Units, by_gradient, by_magnitude, least
from danlu.compress.pruning import Pruned, Pruning, Subject
from danlu.compress.smaller import others, smaller
from danlu.refusal import Refusal


class Neurons(Pruning):
    """The same number of neurons from the feed-forward layers of every block, in each the least important."""

    share: float = Field(gt=0, lt=1, description="of the neurons that go")
    importance: Literal["gradient", "magnitude"] = Field(
        default="gradient", description="gradient: of the loss on data; magnitude: the norm of their weights"
    )
    multiple: int = Field(default=8, ge=1, description="what is left is a multiple of it, which processors like")

    def pruned(self, subject: Subject) -> Pruned:
        """See `Pruning.pruned`."""
        model = subject.model
        family = family_of(model, "neurons")
        found = blocks(model)
        width = _width(found[0], family)
        kept = self._left(width)
        units = units_of_neurons(subject)
        if self.importance == "gradient":
            matters = by_gradient(subject, units)
        else:
            matters = {block.number: _norms(block, family, width) for block in found}
        left = {block.number: others(width, least(matters[block.number], width - kept)) for block in found}
        places = {}
        for block in found:
            for name in family.into:
                rows = rows_first(block.linear(name))
                places[f"{block.name}.{name}.weight"] = {0 if rows else 1: left[block.number]}
                places[f"{block.name}.{name}.bias"] = {0: left[block.number]}
            rows = rows_first(block.linear(family.out_of))
            places[f"{block.name}.{family.out_of}.weight"] = {1 if rows else 0: left[block.number]}
        told = {"kind": self.kind, "importance": self.importance, "before": width, "after": kept}
        return Pruned(smaller(model, {family.between: kept}, places), subject.tokenizer, told)

    def _left(self, width: int) -> int:
        kept = max(self.multiple, round((1 - self.share) * width / self.multiple) * self.multiple)
        if kept >= width:
            raise Refusal(
                f"neurons: a share of {self.share:g} of {width:,} leaves them all, as {self.multiple} go together; "
                "raise 'share', or lower 'multiple'"
            )
        return kept


def units_of_neurons(subject: Subject) -> dict[int, Units]:
    """The neurons of each block, by its number."""
    family = family_of(subject.model, "neurons")
    return {
        block.number: Units(f"{block.name}.{family.out_of}", _width(block, family)) for block in blocks(subject.model)
    }


def _width(block: Block, family: Family) -> int:
    weight = block.linear(family.out_of).weight
    assert isinstance(weight, Tensor)
    return int(weight.shape[1 if rows_first(block.linear(family.out_of)) else 0])


def _norms(block: Block, family: Family, width: int) -> Tensor:
    sides: list[tuple[Tensor, Tensor | None]] = []
    for name in (*family.into, family.out_of):
        linear, reads = block.linear(name), name == family.out_of
        weight, bias = linear.weight, getattr(linear, "bias", None)
        assert isinstance(weight, Tensor)
        assert bias is None or isinstance(bias, Tensor)
        sides.append((weight if rows_first(linear) != reads else weight.T, None if reads else bias))
    with torch.no_grad():
        return by_magnitude(sides, width)
