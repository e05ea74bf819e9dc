"""Heads of attention (Michel et al., 2019; Voita et al., 2019)."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from danlu.compress.anatomy import Block, Family, blocks, family_of, head_width
from danlu.compress.importance import Units, by_gradient, by_magnitude, least
from danlu.compress.pruning import Pruned, Pruning, Subject, share_of
from danlu.compress.smaller import others, smaller
from danlu.refusal import Refusal


class Heads(Pruning):
    """The same number of heads from the attention of every block, in each the least important.

    Heads that share keys and values go together with these, so what is left is grouped as before. Only families whose
    configuration says how wide a head is have a place for fewer of them.
    """

    share: float = Field(gt=0, lt=1, description="of the heads that go")
    importance: Literal["gradient", "magnitude"] = Field(
        default="gradient", description="gradient: of the loss on data; magnitude: the norm of their weights"
    )

    def pruned(self, subject: Subject) -> Pruned:
        """See `Pruning.pruned`."""
        model = subject.model
        family = _family(subject)
        found, config = blocks(model), model.config
        heads, memories, width = config.num_attention_heads, config.num_key_value_heads, head_width(model)
        groups = heads if memories == 1 else memories  # a single memory is read by all heads, which go one by one
        fewer = share_of(self.share, groups, self.kind, "heads" if groups == heads else "groups")
        if self.importance == "gradient":
            matters = by_gradient(subject, units_of_heads(subject))
        else:
            matters = {block.number: _norms(block, family, groups, memories) for block in found}
        places = {}
        for block in found:
            left_over = others(groups, least(matters[block.number], fewer))
            values = _spread(left_over, heads // groups * width)
            places[f"{block.name}.{family.query}.weight"] = places[f"{block.name}.{family.query}.bias"] = {0: values}
            places[f"{block.name}.{family.attended}.weight"] = {1: values}
            for name in family.remembered if memories > 1 else ():
                places[f"{block.name}.{name}.weight"] = {0: _spread(left_over, width)}
                places[f"{block.name}.{name}.bias"] = {0: _spread(left_over, width)}
        after = heads // groups * (groups - fewer)
        settings = {"num_attention_heads": after, "head_dim": width}
        settings["num_key_value_heads"] = memories if memories == 1 else groups - fewer
        told = {"kind": self.kind, "importance": self.importance, "before": heads, "after": after}
        return Pruned(smaller(model, settings, places), subject.tokenizer, told)


def units_of_heads(subject: Subject) -> dict[int, Units]:
    """The heads of each block that go together, by its number."""
    family, config = _family(subject), subject.model.config
    memories = config.num_key_value_heads
    groups = config.num_attention_heads if memories == 1 else memories
    return {block.number: Units(f"{block.name}.{family.attended}", groups) for block in blocks(subject.model)}


def _family(subject: Subject) -> Family:
    family = family_of(subject.model, "heads")
    if not family.query:
        raise Refusal(
            f"heads cannot be taken out of a network of the family '{subject.model.config.model_type}', whose plain "
            "folder says how wide a head is by the width of the network divided by their number; take out neurons or "
            "layers"
        )
    return family


def _spread(places: list[int], width: int) -> list[int]:
    return [place * width + offset for place in places for offset in range(width)]


def _norms(block: Block, family: Family, groups: int, memories: int) -> Tensor:
    sides: list[tuple[Tensor, Tensor | None]] = []
    for name in (family.query, *(family.remembered if memories > 1 else ()), family.attended):
        linear, reads = block.linear(name), name == family.attended
        weight, bias = linear.weight, getattr(linear, "bias", None)
        assert isinstance(weight, Tensor)
        assert bias is None or isinstance(bias, Tensor)
        sides.append((weight.T if reads else weight, None if reads else bias))
    with torch.no_grad():
        return by_magnitude(sides, groups)
