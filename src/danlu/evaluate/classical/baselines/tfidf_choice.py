"""The choice whose words are most like those of text and question (Richardson et al., 2013), weighted by TF-IDF."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from danlu.data.record import Record
from danlu.evaluate.classical.tfidf_vectors import Vectors
from danlu.task.choices import asked_in
from danlu.task.task import Prediction, Task


class TfidfChoice(Vectors):
    """The choice that shares most with text and question, for `choose`; how rare a piece is, is learnt."""

    answer_form: ClassVar[str] = "choice"

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Predict `{"choice", "option", "scores"}`; see `Baseline`."""
        self.refuse_other_form(task)
        known = [record for number, each in enumerate(train) for record in _texts(each, number)]
        asked = [_texts(record, number) for number, record in enumerate(test)]
        _, rows = self.vectors(known, [record for each in asked for record in each])
        found, start = list[Prediction](), 0
        for record, texts in zip(test, asked, strict=True):
            text, choices = rows[start : start + 1], rows[start + 1 : start + len(texts)]
            alike_C = np.asarray((choices @ text.T).todense()).reshape(-1)
            size_C = np.sqrt(np.asarray(choices.multiply(choices).sum(1)).reshape(-1))
            alike_C = alike_C / np.where(size_C > 0, size_C, 1)
            choice = int(alike_C.argmax())
            shares = (alike_C + 1e-9) / (alike_C + 1e-9).sum()
            found.append({"choice": choice, "option": record["choices"][choice], "scores": shares.tolist()})
            start += len(texts)
        return found


def _texts(record: Record, number: int) -> list[Record]:
    """Text and question together, and each choice."""
    asked = asked_in(record, number)
    return [{"text": f"{asked.text}\n{asked.question}"}, *({"text": choice} for choice in asked.choices)]
