"""The promise of a baseline: a classical method, so that nobody mistakes a weak model for a good one."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from danlu.data.record import Record
from danlu.recipe.part import Part, find, kinds
from danlu.refusal import Refusal
from danlu.task.task import Prediction, Task


class Baseline(Part):
    """A method from before the neural age, scored on the very records that the model is scored on."""

    folder: ClassVar[str] = "danlu.evaluate.classical.baselines"

    answer_form: ClassVar[str]
    """Name in `danlu.answer.answers` of the form in which it predicts."""

    def refuse_other_form(self, task: Task) -> None:
        """Raise `Refusal` for a task with another form of answers."""
        if task.examined_as != self.answer_form:
            every = {kind: find(Baseline, kind) for kind in kinds(Baseline)}  # type: ignore[type-abstract]
            fitting = [kind for kind, baseline in every.items() if baseline.answer_form == task.examined_as]
            remedy = f"choose {' or '.join(fitting)}" if fitting else "write baseline: none"
            raise Refusal(
                f"The baseline '{self.kind}' answers in the form {self.answer_form}, and the task '{task.kind}' in "
                f"the form {task.examined_as}; {remedy}."
            )

    @abstractmethod
    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Learn from `train` and predict `test` in its order, in the form of the task's own predictions.

        Raises `Refusal` for a task that the method cannot do, or for training records without a truth.
        """
