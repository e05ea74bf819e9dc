"""The promise of a remedy: what is done so that a network that learns task after task does not forget the earlier ones.

A remedy is frozen; all that it may read of earlier tasks is what it has kept (`Kept`), and what is kept is all that a
training that goes on finds again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from danlu.continual.networks import Networks
from danlu.continual.several import Added
from danlu.data.record import Record
from danlu.recipe.part import Part
from danlu.task.task import Task
from danlu.tuning.method import Method

Values = Mapping[str, Tensor]
"""All parameters of `Networks`, in float32, by name."""


@dataclass(frozen=True)
class Kept:
    """What a remedy has kept of the tasks so far.

    - `records`: those of each task that may be learnt from again, by the task's name.
    - `tensors`: by any name, in float32.
    """

    records: dict[str, list[Record]] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Learnt:
    """A task that has just been learnt.

    - `number`: of the task in the sequence, from 0; `records`: those that it was learnt from.
    - `values`: of the networks now, as the training has left them; of what it has added too, where it has added some.
    - `rows`: gives the loss of one row after the other, of some of them, in the networks of these values.
    """

    number: int
    name: str
    records: Sequence[Record]
    values: Values
    rows: Callable[[int], "Rows"]
    seed: int


@dataclass(frozen=True)
class Rows:
    """The networks with what they have learnt, and what each of some rows loses in them, asked for one by one."""

    networks: Networks
    losses: Sequence[Callable[[], Tensor]]


@dataclass(frozen=True)
class Earlier:
    """The tasks that have been learnt, as a training of the next one finds them.

    - `networks`: frozen, as they were before it; None unless the remedy `looks_back`.
    - `tasks`: by name, in order; `heads`: the network of each, by name, also of the task that comes.
    - `labels`: which outputs of a head were learnt, where a head grows with its labels; else all.
    """

    networks: Networks | None
    tasks: Mapping[str, Task]
    heads: Mapping[str, str]
    labels: Mapping[str, Sequence[int]] = field(default_factory=dict)


class Remedy(Part):
    """What is done against forgetting; as it stands here, nothing."""

    folder: ClassVar[str] = "danlu.continual.remedies"

    at_once: ClassVar[bool] = False
    """Whether all tasks are learnt together, which is no sequence but what sequences are compared with."""

    @property
    def looks_back(self) -> bool:
        """Whether it asks the networks as they were before a task."""
        return False

    @property
    def renews(self) -> bool:
        """Whether what the method adds is merged after each task, so that each task has an update of its own."""
        return False

    @property
    def trains_old_heads(self) -> bool:
        """Whether the heads of all earlier tasks move, also of those without rows."""
        return False

    def suits(self, name: str, task: Task) -> None:
        """Raise a `Refusal` for a task of the sequence that the remedy does not know how to hold."""
        return

    def method(self, method: Method) -> Method:
        """The tuning method, of the one that the stage has.

        Raises `Refusal` for one that the remedy cannot work with.
        """
        return method

    def begins(self, now: Values, first: Values, shared: Sequence[str]) -> Values:
        """What a task begins with: `now` as the last has left it, `first` before any; `shared`: names of the trunk."""
        return now

    def ends(self, number: int, begun: Values, values: Values, before: Values, shared: Sequence[str]) -> Values:
        """What is left of task `number`: it began with `begun`, ended with `values`; `before`: as the last was left."""
        return values

    def repeated(self, new: int, kept: int, seed: int) -> Sequence[int]:
        """Which of so many rows that were kept are learnt beside `new` ones in an epoch, by their numbers."""
        return range(kept)

    def added(self, kept: Kept, earlier: Earlier) -> list[Added]:
        """What is added to the loss while the next task is learnt."""
        return []

    def kept(self, kept: Kept, learnt: Learnt) -> Kept:
        """What is kept once a task is learnt: what was, and what is new."""
        return kept


def constant(penalty: Callable[[Networks], Tensor]) -> Added:
    """A penalty that knows nothing of the rows, so that over all batches of a step it comes to one whole."""
    return lambda networks, _parts, rows: penalty(networks) * rows
