"""Every parameter is trained, with the weights of linear layers as few bits will hold them (Jacob et al., 2018)."""

from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from danlu.refusal import Refusal
from danlu.tuning.head import fresh_heads
from danlu.tuning.method import Method


class Quantised(Method):
    """Train as `full` does, but compute with weights of linear layers that are rounded; what is left has them rounded.

    A row of weights has as many steps on either side as `steps` says, of equal size up to its largest weight. Gradients
    go through the rounding as if it were not there (Bengio et al., 2013). So an export of the bundle that rounds in the
    same way loses nothing by it.
    """

    steps: int = Field(
        default=127, ge=1, le=32767, description="on either side of 0: 127 of 8 bits, 64 as ONNX Runtime has 7 of them"
    )

    def apply(self, model: PreTrainedModel) -> nn.Module:
        """The model itself, whose linear layers within the trunk round their weights.

        Raises:
            Refusal: there are none.
        """
        heads = {model.get_submodule(name) for name in fresh_heads(model)}
        head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
        found = [each for each in model.base_model.modules() if type(each) in _PLAIN and each not in (*heads, head)]
        if not found:
            raise Refusal(
                f"tuning 'quantised' finds no linear layer in models of the family '{model.config.model_type}'; "
                "use full"
            )
        for layer in found:
            layer.__class__ = _PLAIN[type(layer)]  # so that names, copies and what is saved stay as they are
            vars(layer)["steps"] = self.steps
        return model

    def base(self, model: nn.Module) -> dict[str, Tensor]:
        """Nothing: there is no base apart from what was trained."""
        return {}

    def merge(self, model: nn.Module) -> PreTrainedModel:
        """The model itself with rounded weights in plain layers; it says what it said in training."""
        plain = {rounding: before for before, rounding in _PLAIN.items()}
        with torch.no_grad():
            for layer in model.modules():
                if isinstance(layer, Rounding | RoundingTransposed):
                    layer.weight.copy_(layer.rounded())
                    del vars(layer)["steps"]
                    layer.__class__ = plain[type(layer)]  # type: ignore[assignment]
        return cast(PreTrainedModel, model)


class Rounding(nn.Linear):
    """A linear layer that computes with rounded weights, and learns as if they were not."""

    steps: int

    def rounded(self) -> Tensor:
        """Its weights as they compute."""
        return rounded(self.weight, self.steps)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as the layer that it stands for calls it
        """The same product, of rounded weights."""
        exact = self.weight
        return functional.linear(input, exact + (self.rounded() - exact).detach(), self.bias)


class RoundingTransposed(Conv1D):
    """The same of the layers of GPT-2, which keep their weights transposed."""

    steps: int

    def rounded(self) -> Tensor:
        """Its weights as they compute."""
        return rounded(self.weight.T, self.steps).T

    def forward(self, x: Tensor) -> Tensor:
        """The same product, of rounded weights."""
        exact = self.weight
        return functional.linear(x, (exact + (self.rounded() - exact).detach()).T, self.bias)


_PLAIN: dict[type[nn.Module], type[nn.Module]] = {nn.Linear: Rounding, Conv1D: RoundingTransposed}


def rounded(weight: Tensor, steps: int) -> Tensor:
    """Each row on a grid of `steps` equal steps on either side of 0, up to its largest weight."""
    largest = weight.detach().abs().amax(1, keepdim=True).float().clamp_min(torch.finfo(torch.float32).tiny)
    step = largest / steps
    return ((weight.float() / step).round().clamp(-steps, steps) * step).to(weight.dtype)
