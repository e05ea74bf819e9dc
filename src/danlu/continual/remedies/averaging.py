"""The trunk moves only part of the way that each task would take it: weights averaged, task vectors added up.

A task vector is what a training has added to the weights that it began with (Ilharco et al., 2023).
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from danlu.continual.remedy import Remedy, Values


class Averaging(Remedy):
    """Add a share of what each task has changed in the trunk; heads stay as they were learnt.

    A head that all tasks share is averaged with the trunk.
    """

    scale: float = Field(default=0.5, gt=0, le=1, description="share of each task vector that is added")
    begin: Literal["previous", "start"] = Field(
        default="previous",
        description="what a task begins with: what the last one has left, which is then averaged with it, or the "
        "weights before any task, so that vectors add up as in task arithmetic",
    )

    @property
    def renews(self) -> bool:
        """Weights are averaged, not the factors of what a method adds to them."""
        return True

    def begins(self, now: Values, first: Values, shared: Sequence[str]) -> Values:
        """See `Remedy.begins`."""
        return now if self.begin == "previous" else {**now, **{name: first[name] for name in shared}}

    def ends(self, number: int, begun: Values, values: Values, before: Values, shared: Sequence[str]) -> Values:
        """See `Remedy.ends`; with nothing to forget, what begins with the previous weights keeps all of the first."""
        if number == 0 and self.begin == "previous":
            return values
        moved = {name: before[name] + self.scale * (values[name] - begun[name]) for name in shared}
        return {**values, **moved}
