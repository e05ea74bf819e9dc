"""TF-IDF with ridge regression (Sparck Jones 1972; Hoerl and Kennard 1970), by scikit-learn."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.classical.tfidf_vectors import Vectors
from danlu.task.task import Prediction, Task


class TfidfNumber(Vectors):
    """Linear regression on weighted counts of short pieces of text, for `regress`."""

    answer_form: ClassVar[str] = "number"

    regularisation: float = Field(default=1.0, gt=0, description="alpha of the ridge regression")

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Learn and predict `{"number"}`; see `Baseline`."""
        from sklearn.linear_model import Ridge

        self.refuse_other_form(task)
        learnt, asked = self.vectors(train, test)
        truths = [task.gold(record, number) for number, record in enumerate(train)]
        model = Ridge(alpha=self.regularisation).fit(learnt, truths)
        return [{"number": float(number)} for number in model.predict(asked)] if test else []
