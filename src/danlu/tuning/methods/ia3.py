"""Keys, values and what the feed-forward layers think of are rescaled, value by value (Liu et al. 2022, IA3)."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from danlu.model.replica import replica
from danlu.refusal import Refusal
from danlu.tuning.head import fresh_heads
from danlu.tuning.hooked import put_at, taken_from
from danlu.tuning.method import Method
from danlu.tuning.sublayers import sizes, sublayers

NAME = "ia3"


class Ia3(Method):
    """Train a factor for each key, each value and each inner value of the feed-forward layers, and a fresh head."""

    def apply(self, model: PreTrainedModel) -> nn.Module:
        """The model with factors of 1 at its layers; where queries, keys and values come of one layer, at all three.

        Raises:
            Refusal: it has no attention of linear layers, or no feed-forward layers.
        """
        heads, found = fresh_heads(model), sublayers(model)
        if not found.remembered or not found.feed_forward:
            raise Refusal(
                f"tuning 'ia3' finds no keys, values and feed-forward layers in models of the family "
                f"'{model.config.model_type}'; use lora or full"
            )
        model.requires_grad_(requires_grad=False)
        for name in found.remembered:
            layer = model.get_submodule(name)
            put_at(layer, NAME, _Factors(layer, sizes(layer)[1]), after=_scale_output)
        for name in found.feed_forward:
            layer = model.get_submodule(name)
            put_at(layer, NAME, _Factors(layer, sizes(layer)[0]), before=_scale_input)
        for name in heads:
            model.get_submodule(name).requires_grad_()
        return model

    def merge(self, model: nn.Module) -> PreTrainedModel:
        """The plain model with the factors multiplied into its weights; in float32, since bfloat16 rounds."""
        model = model.float()
        outputs = {id(layer) for layer in model.modules() if _scale_output in layer._forward_hooks.values()}
        for layer, factors in taken_from(model, NAME, _scale_input, _scale_output):
            _multiply(layer, cast(_Factors, factors).weight.detach(), outputs=id(layer) in outputs)
        return cast(PreTrainedModel, model.requires_grad_(requires_grad=True))

    def untouched(self, model: nn.Module) -> nn.Module:
        """The same layers without factors."""
        off = replica(model)
        taken_from(off, NAME, _scale_input, _scale_output)
        return off.requires_grad_(requires_grad=False).eval()


class _Factors(nn.Module):
    def __init__(self, layer: nn.Module, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(cast(Tensor, layer.weight).new_ones(size))


def _scale_output(layer: Any, _arguments: Any, output: Tensor) -> Tensor:
    return output * cast(Tensor, layer.ia3.weight)


def _scale_input(layer: Any, arguments: tuple[Tensor, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    return (arguments[0] * cast(Tensor, layer.ia3.weight), *arguments[1:]), named


@torch.no_grad()
def _multiply(layer: Any, factors: Tensor, *, outputs: bool) -> None:
    along = outputs is not isinstance(layer, Conv1D)  # GPT-2 keeps its weights transposed
    layer.weight *= factors[:, None] if along else factors
    if outputs and layer.bias is not None:
        layer.bias *= factors
