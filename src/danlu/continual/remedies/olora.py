"""A low-rank update for each task, in directions orthogonal to those of the earlier ones (Wang et al., 2023, O-LoRA).

An update is merged into the weights once its task is learnt, and the directions that it read are kept.
"""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

from danlu.continual.networks import Networks
from danlu.continual.remedy import Earlier, Kept, Learnt, Remedy, constant
from danlu.continual.several import Added
from danlu.machine.device import device
from danlu.refusal import Refusal
from danlu.tuning.method import Method
from danlu.tuning.methods.lora import Lora

READS = ".lora_A."
"""Stands in the names of the parameters whose rows are the directions that an update reads."""


class Olora(Remedy):
    """Add a LoRA a task, and let each read what the earlier ones do not."""

    strength: float = Field(default=0.5, ge=0, description="weight of the penalty beside the loss of an example")
    rank: int = Field(default=8, ge=1, description="of each update, where the stage has another method than lora")

    @property
    def renews(self) -> bool:
        """See `Remedy.renews`."""
        return True

    def method(self, method: Method) -> Method:
        """The LoRA of the stage, or one of its own beside another method."""
        if isinstance(method, Lora) and (method.dora or method.init == "pissa"):
            raise Refusal("olora keeps directions apart that begin at random; leave out 'dora' and 'init: pissa'")
        return method if isinstance(method, Lora) else Lora(rank=self.rank)

    def added(self, kept: Kept, earlier: Earlier) -> list[Added]:
        """How far the directions of the update are from orthogonal to those of the earlier ones."""
        if not self.strength or not kept.tensors:
            return []
        held = {name: value.to(device()) for name, value in kept.tensors.items()}
        return [constant(lambda networks: self.strength * overlap(networks, held))]

    def kept(self, kept: Kept, learnt: Learnt) -> Kept:
        """The directions of all updates so far, by layer: (ranks of all, width)."""
        found = {}
        for name, value in learnt.values.items():
            if READS in name:
                found[name] = torch.cat([kept.tensors[name], value]) if name in kept.tensors else value
        return Kept(kept.records, found)


def overlap(networks: Networks, directions: Mapping[str, Tensor]) -> Tensor:
    """Squares of the products of all pairs of a direction now and an earlier one, summed over pairs and layers."""
    total: Tensor | None = None
    for name, value in networks.shared().items():
        if name in directions:
            part = (value.float() @ directions[name].T).square().sum()
            total = part if total is None else total + part
    assert total is not None
    return total
