"""The biases alone are trained, and the head where it is a fresh one (Ben Zaken et al. 2021, BitFit)."""

from typing import cast

from torch import nn
from transformers import PreTrainedModel

from danlu.refusal import Refusal
from danlu.tuning.head import fresh_heads
from danlu.tuning.method import Method


class Bitfit(Method):
    """Train every bias, those of the norms included, and the head where it is a fresh one."""

    def apply(self, model: PreTrainedModel) -> nn.Module:
        """The model itself, all but its biases and its fresh head frozen.

        Raises:
            Refusal: the trunk has no biases.
        """
        heads = fresh_heads(model)
        biases = [
            parameter for name, parameter in model.named_parameters() if _is_bias(name) and parameter.requires_grad
        ]
        if not any(_is_bias(name) for name, _ in model.base_model.named_parameters()):
            raise Refusal(
                f"tuning 'bitfit' finds no biases in models of the family '{model.config.model_type}'; use lora or ia3"
            )
        model.requires_grad_(requires_grad=False)
        for parameter in biases:
            parameter.requires_grad_()
        for name in heads:
            model.get_submodule(name).requires_grad_()
        return model

    def merge(self, model: nn.Module) -> PreTrainedModel:
        """The model itself: nothing was added."""
        return cast(PreTrainedModel, model)


def _is_bias(name: str) -> bool:
    return name.rpartition(".")[2] == "bias"
