"""The promise of a tuning method: which parameters move, and how."""

from abc import abstractmethod
from typing import ClassVar

from torch import nn
from transformers import PreTrainedModel

from danlu.recipe.part import Part


class Method(Part):
    """Which parameters of a model are trained."""

    folder: ClassVar[str] = "danlu.tuning.methods"

    freezes_trunk: ClassVar[bool] = False
    """True where no gradient enters the trunk: its features are then computed once, not every epoch."""

    @abstractmethod
    def apply(self, model: PreTrainedModel) -> nn.Module:
        """Freeze and add what the method needs; `requires_grad` then marks what is trained."""

    @abstractmethod
    def merge(self, model: nn.Module) -> PreTrainedModel:
        """The plain model with what was learnt folded in; the same outputs, nothing left of the method."""
