"""The head alone is trained on the features of a frozen trunk (linear probing: Alain and Bengio 2016)."""

from typing import ClassVar, cast

from torch import nn
from transformers import PreTrainedModel

from danlu.refusal import Refusal
from danlu.tuning.head import above_trunk
from danlu.tuning.method import Method


class Head(Method):
    """Train what stands above the trunk, and the pooler if there is one."""

    freezes_trunk: ClassVar[bool] = True

    def apply(self, model: PreTrainedModel) -> nn.Module:
        """The model itself with its trunk frozen, and all of a model without a head, whose task may have one.

        Raises:
            Refusal: the head has no weights of its own, because it shares them with the embeddings.
        """
        names = above_trunk(model)
        model.requires_grad_(requires_grad=False)
        shared = {id(parameter) for parameter in model.base_model.parameters()}
        for name in names:
            pooler = name.endswith(".pooler")
            for parameter in model.get_submodule(name).parameters():
                parameter.requires_grad_(pooler or id(parameter) not in shared)
        if names and not any(parameter.requires_grad for parameter in model.parameters()):
            raise Refusal(
                f"tuning 'head' finds nothing to train in {type(model).__name__}: its head shares its weights with "
                "the embeddings; use full or lora"
            )
        return model

    def merge(self, model: nn.Module) -> PreTrainedModel:
        """The model itself: nothing was added."""
        return cast(PreTrainedModel, model)
