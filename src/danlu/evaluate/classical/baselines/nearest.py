"""The answer to the most similar question that was learnt from (Fix and Hodges, 1951), by TF-IDF."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from danlu.data.record import Record, text_of
from danlu.evaluate.classical.tfidf_vectors import Vectors
from danlu.refusal import Refusal
from danlu.task.task import Prediction, Task

BLOCK = 1024  # questions that are compared with all of the training data at once


class Nearest(Vectors):
    """The answer of the training conversation whose words before it are most like those that are asked, for `chat`."""

    answer_form: ClassVar[str] = "text"

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Predict `{"text"}`; see `Baseline`."""
        self.refuse_other_form(task)
        if not train:
            raise Refusal(
                f"There are no training records, and the baseline '{self.kind}' learns from them; look at the split."
            )
        answers = [task.gold(record, number)[0] for number, record in enumerate(train)]
        learnt, asked = self.vectors(_questions(train), _questions(test))
        found: list[int] = []
        for start in range(0, len(test), BLOCK):
            alike = asked[start : start + BLOCK] @ learnt.T
            found += np.asarray(alike.argmax(axis=1)).reshape(-1).tolist()
        return [{"text": answers[number]} for number in found]


def _questions(records: Sequence[Record]) -> list[Record]:
    """What is said before the last answer."""
    found = []
    for record in records:
        messages = record.get("messages") or []
        before = messages[:-1] if messages and messages[-1].get("role") == "assistant" else messages
        found.append({"text": text_of({"messages": before}, "messages") if messages else text_of(record)})
    return found
