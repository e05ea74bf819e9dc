"""Tokens drawn by how likely they are, as a rule among the likeliest alone (Holtzman et al., 2020)."""

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field, field_validator
from torch import Tensor

from danlu.machine.seed import generator
from danlu.model.ends import Ends
from danlu.model.hypothesis import Line, Lines
from danlu.model.lines import LinePolicy
from danlu.model.policy import Policy
from danlu.model.warping import kept


class Sample(LinePolicy):
    """Draw each token; the same seed gives the same texts, whatever is written beside them."""

    temperature: float = Field(default=1.0, ge=1e-3, le=1e3, description="below 1: the likely ones more often still")
    top_k: int | None = Field(default=None, ge=1, description="draw among so many tokens")
    top_p: float | None = Field(default=None, gt=0, lt=1, description="draw among the likeliest of this probability")
    min_p: float | None = Field(
        default=None, gt=0, le=1, description="draw among those with this share of the highest probability"
    )
    typical_p: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="draw among the least surprising of this share (Meister et al., 2023)",
    )
    seed: int = Field(default=0, description="of what is drawn; with another one, other texts")
    samples: int = Field(default=1, ge=1, le=64, description="texts for each prompt")

    @field_validator("temperature", mode="before")
    @classmethod
    def _not_frozen(cls, value: Any) -> Any:
        if not isinstance(value, bool) and value in (0, "0", "0.0"):
            raise ValueError("temperature 0 draws nothing: for the likeliest token, always, say 'kind: greedy'")
        return value

    @property
    def rows(self) -> int:
        """A row a sample."""
        return self.samples

    @property
    def texts(self) -> int:
        """All of them."""
        return self.samples

    def chooses_as(self, other: Policy) -> bool:
        """See `Policy.chooses_as`: random numbers are those of each text."""
        return isinstance(other, Sample) and super().chooses_as(other.model_copy(update={"seed": self.seed}))

    def begin(self, prompt: Sequence[int], number: int, ends: Ends) -> Lines:
        """See `Policy.begin`; each text has random numbers of its own."""
        lines = super().begin(prompt, number, ends)
        for sample, line in enumerate(lines.all):
            line.random = generator(self.seed, "sample", number, sample)
        return lines

    def choose(self, scores_BV: Tensor, lines: Sequence[Line]) -> Tensor:
        """See `LinePolicy.choose`: the token in whose share of the probabilities a number between 0 and 1 falls."""
        scores_BV = kept(scores_BV / self.temperature, self.top_k, self.top_p, self.min_p, self.typical_p)
        sums_BV = scores_BV.double().softmax(1).cumsum(1)
        drawn = [line.random.random() for line in lines if line.random is not None]
        drawn_B = torch.tensor(drawn, dtype=torch.float64, device=sums_BV.device)
        places = torch.searchsorted(sums_BV, drawn_B[:, None] * sums_BV[:, -1:], right=True)[:, 0]
        return places.clamp_(max=scores_BV.shape[1] - 1)
