"""What happens in a training, one event after the other; whoever consumes them records, shows and stops."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from danlu.train.loop import Step
from danlu.train.recorder import Line


@dataclass(frozen=True)
class Best:
    """What a training ends with, and where it was reached.

    - `weights`: by name, float32; views of what the training holds. `method`: what the method keeps beside them.
    - `left_out`: numbers of steps that were not taken.
    """

    weights: dict[str, Tensor]
    method: dict[str, Tensor]
    step: int
    score: float | None
    left_out: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Stepped:
    """An optimizer step was taken."""

    step: Step


@dataclass(frozen=True, slots=True)
class Reported:
    """A line of the log is due: means over the steps since the one before."""

    line: Line


@dataclass(frozen=True, slots=True)
class Validated:
    """The model was looked at; `stale` counts the validations since the best one, and is 0 for that."""

    line: Line
    stale: int


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something that a person should hear of a step: it was left out, or its loss has risen far; and its line."""

    line: Line
    told: str


@dataclass(frozen=True, slots=True)
class Returned:
    """The training has gone back to where it stood after so many steps; what was told of later ones holds no more."""

    line: Line
    told: str
    step: int


@dataclass(frozen=True, slots=True)
class Saved:
    """There is a checkpoint of so many steps."""

    step: int


@dataclass(frozen=True, slots=True)
class Ended:
    """No further step is taken; `early` where some were left that it needed, since whoever watched has stopped it."""

    best: Best
    early: bool = False


Event = Stepped | Reported | Validated | Noticed | Returned | Saved | Ended

Leave = Literal["checkpoint", "best"]
"""What a training that is stopped leaves: a checkpoint from which it goes on, or the best weights so far as well."""

Watch = Callable[[Event], Leave | None]
"""Looks at each event, and stops the training after the step that is under way by saying what it is to leave."""


class Stopped(Exception):
    """A training was stopped by whoever watched it; the same call goes on from its checkpoint."""


def unwatched(_event: Event) -> None:
    """Let a training go on whatever happens."""
