"""Words in common: parts of one document share more of them than parts of two (TextTiling, Hearst, 1997)."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.evaluate.classical.linear import labelled
from danlu.refusal import Refusal
from danlu.task.sentence_pairs import SentencePairs
from danlu.task.task import Prediction, Task


class Overlap(Baseline):
    """Logistic regression of the cosine of two parts, in TF-IDF of pieces of words, for `next_sentence`."""

    answer_form: ClassVar[str] = "label"

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Learn and predict `{"label", "scores"}`; see `Baseline`."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.refuse_other_form(task)
        if not isinstance(task, SentencePairs):
            raise Refusal(f"The baseline 'overlap' compares two parts of a document, and '{task.kind}' has none.")
        if not train:
            raise Refusal("The training split has no records, and the baseline learns from them; look at the split.")
        pairs = [task.pair_of(record, number) for records in (train, test) for number, record in enumerate(records)]
        vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), sublinear_tf=True)
        learnt = pairs[: len(train)]
        try:
            vectors.fit([text for pair in learnt for text in pair[:2]])
        except ValueError:
            raise Refusal("The training texts are empty, and the baseline learns from their words.") from None
        firsts, seconds = (vectors.transform([pair[side] for pair in pairs]) for side in (0, 1))
        cosine_N1 = np.asarray(firsts.multiply(seconds).sum(1)).reshape(-1, 1)
        truths = [task.gold(record, number) for number, record in enumerate(train)]
        rows = cosine_N1[len(train) :] if test else None
        return labelled(cosine_N1[: len(train)], truths, rows, len(test), task.label_names(), 10.0)
