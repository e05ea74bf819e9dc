"""The longer answer: what much of learnt preference comes to (Singhal et al., 2023)."""

import math
from collections.abc import Sequence
from typing import ClassVar

from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.task.columns import text_in
from danlu.task.task import Prediction, Task

TIED = 1e-9
"""The log of odds where neither is preferred more often: the longer one is, for equal margins would all be wrong."""


class Longer(Baseline):
    """Prefer the longer answer, or the shorter one, as most pairs of the training do.

    The margin is the log of the odds that they do; answers of one length are equal.
    """

    answer_form: ClassVar[str] = "preference"

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Predict `{"preferred", "margin", "log_probabilities"}`; see `Baseline`."""
        self.refuse_other_form(task)
        longer = [_longer(record, number) for number, record in enumerate(train) if "chosen" in record]
        odds = math.log((longer.count(1) + 1) / (longer.count(-1) + 1)) or TIED
        margins = [odds * _longer(record, number) for number, record in enumerate(test)]
        return [
            {
                "preferred": "chosen" if margin > 0 else "rejected",
                "margin": margin,
                "log_probabilities": [-math.log1p(math.exp(-margin)), -math.log1p(math.exp(margin))],
            }
            for margin in margins
        ]


def _longer(record: Record, number: int) -> int:
    """1 where the chosen answer is the longer one, -1 where the rejected is, 0 where neither."""
    chosen, rejected = (len(text_in(record, number, name)) for name in ("chosen", "rejected"))
    return (chosen > rejected) - (chosen < rejected)
