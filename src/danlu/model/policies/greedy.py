"""The likeliest token, always."""

from collections.abc import Sequence

from pydantic import Field
from torch import Tensor

from danlu.model.hypothesis import Line
from danlu.model.lines import LinePolicy


class Greedy(LinePolicy):
    """The likeliest token, always; the same text every time."""

    lookup: int = Field(
        default=0,
        ge=0,
        le=64,
        description="tokens that a text written alone guesses from what it reads, to check them in one pass",
    )

    @property
    def guesses(self) -> int:
        """See `Policy.guesses`."""
        return self.lookup

    def choose(self, scores_BV: Tensor, lines: Sequence[Line]) -> Tensor:
        """See `LinePolicy.choose`."""
        return scores_BV.argmax(1)
