"""The text as it is: what a rewriting must be better than."""

from collections.abc import Sequence
from typing import ClassVar

from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.task.columns import text_in
from danlu.task.task import Prediction, Task


class Copy(Baseline):
    """The given text, unchanged; nothing is learnt."""

    answer_form: ClassVar[str] = "text"

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Predict `{"text"}`; see `Baseline`."""
        self.refuse_other_form(task)
        return [{"text": text_in(record, number)} for number, record in enumerate(test)]
