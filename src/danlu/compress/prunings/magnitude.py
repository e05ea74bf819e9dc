"""Single weights, the smallest first (Han et al., 2015): for study, as zeros take the same room and the same time."""

import copy
from typing import ClassVar

import torch
from pydantic import Field
from torch import nn
from transformers.pytorch_utils import Conv1D

from danlu.compress.anatomy import blocks
from danlu.compress.pruning import Pruned, Pruning, Subject, share_of


class Magnitude(Pruning):
    """The smallest weights of all linear layers in the blocks become 0; nothing gets smaller or faster by that."""

    keeps_trained: ClassVar[bool] = False

    share: float = Field(gt=0, lt=1, description="of the weights that become 0")

    def pruned(self, subject: Subject) -> Pruned:
        """See `Pruning.pruned`; the smallest of all layers together, so that each loses as many as it can spare."""
        model = copy.deepcopy(subject.model)
        weights = [
            module.weight
            for block in blocks(model)
            for module in block.module.modules()
            if isinstance(module, nn.Linear | Conv1D)
        ]
        with torch.no_grad():
            sizes = torch.cat([weight.abs().flatten() for weight in weights])
            count = share_of(self.share, len(sizes), self.kind, "weights")
            gone = torch.zeros(len(sizes), dtype=torch.bool)
            gone[sizes.argsort(stable=True)[:count]] = True
            for weight, part in zip(weights, torch.split(gone, [weight.numel() for weight in weights]), strict=True):
                weight.masked_fill_(part.view_as(weight), 0.0)
        told = {"kind": self.kind, "before": len(sizes), "after": len(sizes) - count}
        return Pruned(model, subject.tokenizer, told)
