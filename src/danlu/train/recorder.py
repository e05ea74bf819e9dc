"""The promise of a recorder: where the numbers of a training go."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Protocol

from danlu.recipe.part import Part

Line = dict[str, Any]
"""`{"step", "epoch", "loss", "rate", ...}` or `{"step", "epoch", "validation": {metric: value}}`."""


class Writer(Protocol):
    """An open record."""

    def write(self, line: Line) -> None:
        """Add one line."""

    def close(self) -> None:
        """Finish the record."""


class Recorder(Part):
    """Where the numbers of a training go."""

    folder: ClassVar[str] = "danlu.train.recorders"

    @abstractmethod
    def open(self, folder: Path, step: int) -> Writer:
        """Begin a record in `folder`, or go on with it after `step`; later lines of an interrupted run are dropped."""
