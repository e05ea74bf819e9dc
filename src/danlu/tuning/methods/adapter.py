"""Bottlenecks at the sublayers of frozen blocks (Houlsby et al. 2019; Pfeiffer et al. 2020; He et al. 2022)."""

import threading
from typing import Any, ClassVar, Literal, cast

from pydantic import Field
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.model.replica import replica
from danlu.refusal import Refusal
from danlu.tuning.head import fresh_heads
from danlu.tuning.hooked import put_at, taken_from
from danlu.tuning.method import Method
from danlu.tuning.sublayers import sizes, sublayers

NAME = "adapter"


class Adapter(Method):
    """Train two small layers with a bend between them at sublayers of each block, and a fresh head."""

    mergeable: ClassVar[bool] = False

    placement: Literal["pfeiffer", "houlsby", "parallel"] = Field(
        default="pfeiffer",
        description="pfeiffer: behind the feed-forward layers of each block; houlsby: behind its attentions as well; "
        "parallel: beside the feed-forward layers, from what these are given",
    )
    size: int = Field(default=48, ge=1, description="values between the two layers")

    def apply(self, model: PreTrainedModel) -> nn.Module:
        """The model with bottlenecks at its layers, which add nothing yet and have the model's number format.

        Raises:
            Refusal: its blocks have no feed-forward layers, or no attention that ends in a linear layer.
        """
        heads, found = fresh_heads(model), sublayers(model)
        places = found.feed_forward
        if self.placement == "houlsby":
            places = places + found.attention if found.attention else []
        if self.placement == "parallel" and len(found.beginning) < len(places):
            places = []
        if not places:
            raise Refusal(
                f"tuning 'adapter' finds no place for '{self.placement}' in models of the family "
                f"'{model.config.model_type}'; use lora or full"
            )
        model.requires_grad_(requires_grad=False)
        for number, name in enumerate(places):
            layer = model.get_submodule(name)
            added = _Bottleneck(layer, self.size)
            if self.placement == "parallel":
                put_at(model.get_submodule(found.beginning[number]), NAME, added, before=_read)
                layer.register_forward_hook(_add_beside)
            else:
                put_at(layer, NAME, added, after=_add)
        for name in heads:
            model.get_submodule(name).requires_grad_()
        return model

    def untouched(self, model: nn.Module) -> nn.Module:
        """The same layers without bottlenecks."""
        off = replica(model)
        taken_from(off, NAME, _add, _read, _add_beside)
        return off.requires_grad_(requires_grad=False).eval()


class _Bottleneck(nn.Module):
    def __init__(self, layer: nn.Module, size: int) -> None:
        super().__init__()
        weight, width = cast(Tensor, layer.weight), sizes(layer)[1]
        like = {"device": weight.device, "dtype": weight.dtype}
        self.down, self.up = nn.Linear(width, size, **like), nn.Linear(size, width, **like)  # type: ignore[arg-type]
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        added: Tensor = self.up(nn.functional.gelu(self.down(hidden)))
        return added


def _add(layer: Any, _arguments: Any, output: Tensor) -> Tensor:
    return output + cast(Tensor, layer.adapter(output))


_under_way = threading.local()
"""What a bottleneck makes of the input of the feed-forward layers that this thread is in."""


def _read(layer: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    _under_way.added = layer.adapter(arguments[0] if arguments else named["input"])


def _add_beside(_layer: Any, _arguments: Any, output: Tensor) -> Tensor:
    return output + cast(Tensor, vars(_under_way).pop("added"))
