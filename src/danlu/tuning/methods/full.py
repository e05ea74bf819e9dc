"""Every parameter is trained, as in Devlin et al. 2018."""

from typing import cast

from torch import nn
from transformers import PreTrainedModel

from danlu.tuning.method import Method


class Full(Method):
    """Train every parameter."""

    def apply(self, model: PreTrainedModel) -> nn.Module:
        """The model itself, every parameter marked as trained."""
        return model.requires_grad_()

    def merge(self, model: nn.Module) -> PreTrainedModel:
        """The model itself: nothing was added."""
        return cast(PreTrainedModel, model)
