"""The promise of a recorder: where the numbers of a training go."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from danlu.machine.extra import refuse_missing
from danlu.recipe.part import Part

Line = dict[str, Any]
"""`{"step", "epoch", "loss", "rate", ...}` or `{"step", "epoch", "validation": {metric: value}}`.

The loss and the norm of the gradient are lacking where none of the steps had one that is finite.
"""

Outcome = Literal["done", "interrupted", "failed", "returned"]
"""How a record is left: `returned`, where the training goes back and what was told of later steps holds no more."""


class Writer(Protocol):
    """An open record."""

    def write(self, line: Line) -> None:
        """Add one line."""

    def close(self, outcome: Outcome) -> None:
        """Finish the record, and tell in it how the training was left where there is a place for that."""


class Recorder(Part):
    """Where the numbers of a training go."""

    folder: ClassVar[str] = "danlu.train.recorders"
    modules: ClassVar[tuple[str, ...]] = ()
    """What has to be installed for it, by the extra that has its name."""

    def refuse_missing(self) -> None:
        """Tell before a training what its records need; raises `Refusal` that names the extra."""
        refuse_missing(self.modules, self.kind, f"train.recorders: '{self.kind}'")

    @abstractmethod
    def open(self, folder: Path, step: int) -> Writer:
        """Begin a record in `folder`, or go on with it after `step`; later lines of an interrupted run are dropped."""
