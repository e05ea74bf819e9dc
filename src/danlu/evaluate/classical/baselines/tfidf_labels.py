"""TF-IDF with a logistic regression a label (Sparck Jones 1972; Cox 1958), by scikit-learn."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.classical.tfidf_vectors import Vectors
from danlu.task.task import Prediction, Task


class TfidfLabels(Vectors):
    """A linear classifier for each label, of weighted counts of short pieces of text, for `multilabel`."""

    answer_form: ClassVar[str] = "labels"

    inverse_regularisation: float = Field(default=5.0, gt=0, description="C of the logistic regressions")
    threshold: float = Field(default=0.5, gt=0, lt=1, description="probability from which on a label is given")

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Learn and predict `{"labels", "scores"}`; see `Baseline`."""
        from sklearn.linear_model import LogisticRegression

        self.refuse_other_form(task)
        learnt, asked = self.vectors(train, test)
        truths = [task.gold(record, number) for number, record in enumerate(train)]
        labels = task.label_names() or tuple(sorted(set().union(*truths)))
        shares_ML = np.zeros((len(test), len(labels)))
        for number, label in enumerate(labels):
            there_N = np.array([label in truth for truth in truths])
            if there_N.all() or not there_N.any():  # nothing to tell apart
                shares_ML[:, number] = float(there_N[0])
            elif test:
                model = LogisticRegression(C=self.inverse_regularisation, max_iter=300).fit(learnt, there_N)
                shares_ML[:, number] = model.predict_proba(asked)[:, 1]
        return [
            {
                "labels": [label for label, share in zip(labels, row, strict=True) if share >= self.threshold],
                "scores": {label: float(share) for label, share in zip(labels, row, strict=True)},
            }
            for row in shares_ML
        ]
