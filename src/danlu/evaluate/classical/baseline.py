"""The promise of a baseline: a classical method, so that nobody mistakes a weak model for a good one."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from danlu.data.record import Record
from danlu.recipe.part import Part
from danlu.task.task import Prediction, Task


class Baseline(Part):
    """A method from before the neural age, scored on the very records that the model is scored on."""

    folder: ClassVar[str] = "danlu.evaluate.classical.baselines"

    @abstractmethod
    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Learn from `train` and predict `test` in its order, in the form of the task's own predictions.

        Raises `Refusal` for a task that the method cannot do, or for training records without a truth.
        """
