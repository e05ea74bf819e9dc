"""The promise of an explainer: how much each token has to do with what a network says."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from danlu.explain.asked import Asked, Floats
from danlu.recipe.part import Part


@dataclass(frozen=True)
class Attribution:
    """What an explainer has found of one number of one row of T tokens.

    - `scores`: (T,), of each token: positive where it speaks for the target; of attention how much it is looked at.
    - `gap`: by how much the scores of the text miss what they should sum to, the difference that the whole text makes,
      as a share of it; None where they promise no sum.
    - `unreliable`: whether they promise that sum and miss it, so that nobody should build on them.
    - `facts`: what else was measured on the way, by name.
    - `attention`: (L, H, T, T), where it was looked at.
    """

    scores: Floats
    gap: float | None = None
    unreliable: bool = False
    facts: dict[str, float] = field(default_factory=dict)
    attention: NDArray[np.float32] | None = None


class Explainer(Part):
    """How much each token has to do with one number that a network says of a row."""

    folder: ClassVar[str] = "danlu.explain.explainers"

    signed: ClassVar[bool] = True
    """Whether a score below 0 speaks against the target; where there is none, they tell weights alone."""

    @abstractmethod
    def explain(self, asked: Asked) -> Attribution:
        """The scores of the tokens of a row; those of the texts alone count, others are kept apart.

        Raises:
            Refusal: it needs gradients or attention, and the network has none.
        """


def gap_of(scores_T: Floats, difference: float) -> float:
    """How far a sum of scores is from the difference that it should be, as a share of that."""
    return abs(float(scores_T.sum()) - difference) / max(abs(difference), 1e-9)


def kernel_gap(asked: Asked) -> float:
    """How far the number is off where the model computes by the kernel that tells its attention."""
    batch = asked.aim.narrow(asked.inside.batch(asked.aim.item, asked.ids_T[None]))
    with torch.no_grad():
        told = asked.aim.of(asked.inside.said_by(asked.inside.with_attention, batch), batch)
    return abs(float(told[0]) - asked.value)
