"""Weighted words between and around two entities, with logistic regression (Kambhatla, 2004; Sparck Jones, 1972)."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.evaluate.classical.linear import labelled
from danlu.refusal import Refusal
from danlu.task.pairs import Pair, pair_in
from danlu.task.task import Prediction, Task
from danlu.text.tagging.units import units


class TfidfRelation(Baseline):
    """Linear classifier of the words of both entities, between them and beside them, for `relate`."""

    answer_form: ClassVar[str] = "label"

    around: int = Field(default=3, ge=0, description="words before the first entity and behind the second that count")
    inverse_regularisation: float = Field(default=10.0, gt=0, description="C of the logistic regression")

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Learn and predict `{"label", "scores"}`; see `Baseline`."""
        from sklearn.feature_extraction import DictVectorizer
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.pipeline import make_pipeline

        self.refuse_other_form(task)
        if not train:
            raise Refusal("The training split has no records, and the baseline learns from them; look at the split.")
        vectors = make_pipeline(DictVectorizer(), TfidfTransformer(sublinear_tf=True))
        learnt = vectors.fit_transform([self._told(pair_in(record, number)) for number, record in enumerate(train)])
        asked = [self._told(pair_in(record, number)) for number, record in enumerate(test)]
        truths = [task.gold(record, number) for number, record in enumerate(train)]
        rows = vectors.transform(asked) if asked else None
        return labelled(learnt, truths, rows, len(test), task.label_names(), self.inverse_regularisation)

    def _told(self, pair: Pair) -> Counter[str]:
        """Words and pairs of words, each with the place where it stands; which entity comes first is a part of that."""
        order = "head" if pair.head < pair.tail else "tail"
        (_, end), (start, _) = sorted((pair.head, pair.tail))
        first, last = min(pair.head, pair.tail)[0], max(pair.head, pair.tail)[1]
        pieces = {
            f"{order} between": _words(pair.text[end:start]),
            f"{order} before": _words(pair.text[:first])[-self.around :] if self.around else [],
            f"{order} behind": _words(pair.text[last:])[: self.around],
            "head": _words(pair.text[slice(*pair.head)]),
            "tail": _words(pair.text[slice(*pair.tail)]),
        }
        found = Counter[str]({f"first {order}": 1})
        for place, words in pieces.items():
            found.update(f"{place} {word}" for word in words)
            found.update(f"{place} {one} {other}" for one, other in pairwise(words))
        return found


def _words(text: str) -> list[str]:
    return [text[start:end].lower() for start, end in units(text)]
