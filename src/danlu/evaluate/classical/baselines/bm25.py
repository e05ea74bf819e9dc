"""Okapi BM25 (Robertson et al., 1994), which is hard to beat where words are shared."""

from collections import Counter
from collections.abc import Sequence
from math import log
from typing import ClassVar

from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.task.documents import offered_in
from danlu.task.task import Prediction, Task
from danlu.text.tagging.units import units

Terms = Counter[str]


class Bm25(Baseline):
    """The documents of each query by the words that they share, for `rank`; rare words count more.

    Words are those of English, characters and pairs of characters of Chinese; how rare they are, and how long documents
    are, is told by all documents of both splits. Nothing is learnt of what is relevant.
    """

    answer_form: ClassVar[str] = "ranking"

    k1: float = Field(default=1.2, ge=0, description="how soon more of a word stops to count")
    b: float = Field(default=0.75, ge=0, le=1, description="how much long documents are held to be longer by chance")

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Predict `{"ranking", "scores"}`; see `Baseline`."""
        self.refuse_other_form(task)
        asked = [offered_in(record, number) for number, record in enumerate(test)]
        listed = [*asked, *(offered_in(record, number) for number, record in enumerate(train))]
        known = {document: terms_of(document) for each in listed for document in each.documents}
        having = Counter(term for terms in known.values() for term in terms)
        rarity = {term: log(1 + (len(known) - count + 0.5) / (count + 0.5)) for term, count in having.items()}
        usual = sum(terms.total() for terms in known.values()) / max(1, len(known)) or 1.0
        found = []
        for each in asked:
            query = terms_of(each.query)
            scores = {text: self._score(query, known[text], rarity, usual) for text in each.documents}
            ranking = sorted(scores, key=lambda text: (-scores[text], text))
            found.append({"ranking": ranking, "scores": [scores[text] for text in ranking]})
        return found

    def _score(self, query: Terms, terms: Terms, rarity: dict[str, float], usual: float) -> float:
        total = 0.0
        for term in query.keys() & terms.keys():
            count = terms[term]
            total += (
                rarity[term] * count * (self.k1 + 1) / (count + self.k1 * (1 - self.b + self.b * terms.total() / usual))
            )
        return total


def terms_of(text: str) -> Terms:
    """The words of a text, and pairs of neighbouring ones that have no space between them, as in Chinese."""
    found, last = Terms(), -1
    before = ""
    for start, end in units(text):
        word = text[start:end].lower()
        if any(character.isalnum() for character in word):
            found[word] += 1
            if start == last and before:
                found[before + word] += 1
            before, last = word, end
    return found
