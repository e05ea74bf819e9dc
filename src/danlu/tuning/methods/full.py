"""Every parameter is trained, as in Devlin et al. 2018.

Lower layers may move at lower rates (Clark et al. 2020, ELECTRA), or begin later (Howard and Ruder 2018, ULMFiT).
"""

from collections.abc import Sequence
from typing import cast

from pydantic import Field
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.refusal import Refusal
from danlu.tuning.group import Group
from danlu.tuning.layers import layers, rates
from danlu.tuning.method import Method


class Full(Method):
    """Train every parameter."""

    layer_decay: float | None = Field(
        default=None, gt=0, le=1, description="the rate of each layer is that of the one above times this"
    )
    unfreeze: float | None = Field(
        default=None,
        gt=0,
        description="the head moves from the start, each layer below so many steps later than the one above; below 1 "
        "a share of all steps",
    )

    def apply(self, model: PreTrainedModel) -> nn.Module:
        """The model itself; what its family never trains, such as sinusoidal positions, stays as it is.

        Marked as trained, it would get no gradient, and weight decay would wear it away.
        """
        return model

    def base(self, model: nn.Module) -> dict[str, Tensor]:
        """Nothing: there is no base apart from what was trained."""
        return {}

    def merge(self, model: nn.Module) -> PreTrainedModel:
        """The model itself: nothing was added."""
        return cast(PreTrainedModel, model)

    def groups(self, model: nn.Module, total: int) -> Sequence[Group]:
        """A group a layer, where `layer_decay` or `unfreeze` ask for it.

        Raises:
            Refusal: the model does not tell its layers, or the lowest would begin after the last step.
        """
        if self.layer_decay is None and self.unfreeze is None:
            return ()
        found = layers(cast(PreTrainedModel, model)).in_order()
        apart = self.unfreeze or 0.0
        steps = apart * total if apart < 1 else apart
        below = len(found) - 1
        if below * steps >= total:
            raise Refusal(
                f"tuning.unfreeze: {apart:g} for each of the {below} layers below the head comes to {below * steps:g} "
                f"steps, and the training has {total:,}; write less than "
                f"{1 / below if apart < 1 else total / below:.3g}"
            )
        return rates(found, self.layer_decay or 1.0, steps)
