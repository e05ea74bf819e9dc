"""The likeliest token, always."""

from collections.abc import Sequence

from torch import Tensor

from danlu.model.hypothesis import Line
from danlu.model.lines import LinePolicy


class Greedy(LinePolicy):
    """The likeliest token, always; the same text every time."""

    def choose(self, scores_BV: Tensor, lines: Sequence[Line]) -> Tensor:
        """See `LinePolicy.choose`."""
        return scores_BV.argmax(1)
