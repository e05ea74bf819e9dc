"""Where a layer or a head looks (Vaswani et al., 2017), which tells what is read, not what is made of it.

Jain and Wallace (2019) and Wiegreffe and Pinter (2019) tell how far that can be taken. L layers, H heads, T tokens.
"""

from typing import ClassVar

import numpy as np
from pydantic import Field

from danlu.explain.asked import Asked
from danlu.explain.explainer import Attribution, Explainer, kernel_gap
from danlu.refusal import Refusal


class Attention(Explainer):
    """How much of a layer's attention, or of one head's, each token has, from where the answer is read."""

    signed: ClassVar[bool] = False

    layer: int | None = Field(default=None, ge=1, description="from 1, the first; None: the last one")
    head: int | None = Field(default=None, ge=1, description="from 1, the first; None: the mean of all")

    def explain(self, asked: Asked) -> Attribution:
        """See `Explainer.explain`.

        Raises:
            Refusal: there is no such layer or head, or no attention that could be shown.
        """
        attention_LHTT = asked.inside.attention(asked.aim.item).double().cpu().numpy()
        layers, heads = attention_LHTT.shape[:2]
        for name, given, there in (("layer", self.layer, layers), ("head", self.head, heads)):
            if given is not None and given > there:
                raise Refusal(f"there is no {name} {given}: the model has {there}; give one from 1 to {there}")
        layer_HTT = attention_LHTT[(self.layer or layers) - 1]
        chosen_TT = layer_HTT.mean(0) if self.head is None else layer_HTT[self.head - 1]
        facts = {"kernel": kernel_gap(asked), "layer": self.layer or layers} | (
            {"head": self.head} if self.head else {}
        )
        return Attribution(asked.read_from() @ chosen_TT, facts=facts, attention=attention_LHTT.astype(np.float32))
