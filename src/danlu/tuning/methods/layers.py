"""Some layers are trained, the rest stays as it was (Howard and Ruder 2018; Lee et al. 2019, "What would Elsa do?")."""

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Self, cast

from pydantic import Field, model_validator
from torch import nn
from transformers import PreTrainedModel

from danlu.refusal import Refusal
from danlu.tuning.group import Group
from danlu.tuning.layers import layers, rates
from danlu.tuning.method import Method

TOP = 2
"""Layers that are trained unless a recipe says which."""


class Layers(Method):
    """Train the uppermost layers, or those whose weights are called so, and all that stands above the layers."""

    top: int | None = Field(
        default=None, ge=1, description="how many layers, counted from the head down; 2 without 'patterns'"
    )
    patterns: list[str] | None = Field(
        default=None,
        min_length=1,
        description="instead of the uppermost: patterns of the names of weights, such as '*.layer.11.*'",
    )
    layer_decay: float | None = Field(
        default=None, gt=0, le=1, description="the rate of each layer is that of the one above times this"
    )

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.patterns is not None and self.top is not None:
            raise ValueError(
                "'top' has no effect beside 'patterns', which say themselves what is trained; leave one out"
            )
        return self

    def apply(self, model: PreTrainedModel) -> nn.Module:
        """The model itself, the other layers and the embeddings frozen.

        Raises:
            Refusal: it does not tell its layers, has fewer of them, or no weight is called as a pattern says.
        """
        found, top = layers(model), self.top or TOP
        chosen = {name for names in found.blocks[-top:] for name in names}
        if self.patterns is not None:
            chosen = self._matching([name for name, _ in model.named_parameters()])
        elif top > len(found.blocks):
            raise Refusal(
                f"tuning.top: {top} layers are to be trained, and the model has {len(found.blocks)}; write at "
                "most so many, or use full"
            )
        chosen |= {*found.above}
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and name in chosen)
        return model

    def merge(self, model: nn.Module) -> PreTrainedModel:
        """The model itself: nothing was added."""
        return cast(PreTrainedModel, model)

    def groups(self, model: nn.Module, total: int) -> Sequence[Group]:
        """A group a layer that is trained, where `layer_decay` asks for it."""
        if self.layer_decay is None:
            return ()
        trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        found = [
            [name for name in names if name in trained] for names in layers(cast(PreTrainedModel, model)).in_order()
        ]
        return [group for group in rates(found, self.layer_decay) if group.names]

    def _matching(self, names: list[str]) -> set[str]:
        chosen: set[str] = set()
        for pattern in self.patterns or ():
            some = {name for name in names if fnmatchcase(name, pattern)}
            if not some:
                near = ", ".join(get_close_matches(pattern, names, n=3, cutoff=0.0))
                raise Refusal(f"tuning.patterns: no weight is called '{pattern}'; nearest are: {near}")
            chosen |= some
        return chosen
