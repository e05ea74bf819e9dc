"""The first sentence: a summary of news that is hard to beat (Nenkova, 2005)."""

import re
from collections.abc import Sequence
from typing import ClassVar

from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.task.columns import text_in
from danlu.task.task import Prediction, Task

_SENTENCE = re.compile(r"\s*(.+?(?:[。！？!?…]+[”’」』\"']*|[.][\"'”’]*(?=\s|$)|\n|$))", re.DOTALL)


class Lead(Baseline):
    """The first sentence of the text; nothing is learnt."""

    answer_form: ClassVar[str] = "text"

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Predict `{"text"}`; see `Baseline`."""
        self.refuse_other_form(task)
        return [{"text": _first(text_in(record, number))} for number, record in enumerate(test)]


def _first(text: str) -> str:
    found = _SENTENCE.match(text)
    return found[1].strip() if found else ""
