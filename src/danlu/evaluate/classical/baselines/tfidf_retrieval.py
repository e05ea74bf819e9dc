"""Texts that share rare pieces with a query (Salton and Buckley, 1988), by the cosine of TF-IDF."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from danlu.data.record import Record
from danlu.evaluate.classical.tfidf_vectors import Vectors
from danlu.task.retrieved import documents_of, rankings
from danlu.task.task import Prediction, Task
from danlu.task.texts import SECOND


class TfidfRetrieval(Vectors):
    """A ranking of all second texts for each first one, for `embed`; how rare a piece is, is learnt."""

    answer_form: ClassVar[str] = "ranking"

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Predict `{"ranking", "scores"}`; see `Baseline`."""
        from sklearn.preprocessing import normalize

        self.refuse_other_form(task)
        sides = [[{"text": record[column]} for record in test] for column in ("text", SECOND)]
        known = [{"text": record[column]} for record in train for column in ("text", SECOND)]
        queries, documents = (normalize(self.vectors(known, side)[1]) for side in sides)
        documents = documents[documents_of(test)]

        def alike(start: int, stop: int) -> Any:
            return np.asarray((queries[start:stop] @ documents.T).todense())

        return list(rankings(test, alike))
