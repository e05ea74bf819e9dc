"""A hidden Markov tagger over words (Church 1988), smoothed after Witten and Bell (1991).

A tag depends on the one before it, and a word on its tag; with `looks_back` also on the word before. Words that
training has not shown are told by the classes of their characters.
"""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.refusal import Refusal
from danlu.task.entities import read_tagged
from danlu.task.task import Prediction, Task
from danlu.text.tagging import markov


class WordHmm(Baseline):
    """Hidden Markov tagger of given words, for `tag_words`: counts, smoothing, and the best path (Viterbi 1967)."""

    answer_form: ClassVar[str] = "spans"

    looks_back: bool = Field(default=False, description="a word depends on the one before it as well")
    smoothing: float = Field(default=2.0, gt=0, description="weight of the single word against the pair")

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Learn and predict `{"entities"}`; see `Baseline`. Raises `Refusal` for records without words and tags."""
        self.refuse_other_form(task)
        if not train:
            raise Refusal(
                "There are no training records, and the baseline 'word_hmm' learns from them; look at the split."
            )
        marked = [read_tagged(record, number) for number, record in enumerate(train)]
        sentences = [[item.text[start:end] for start, end, _ in item.spans] for item in marked]
        truths = [[(label, False) for _, _, label in item.spans] for item in marked]
        model = markov.fit(sentences, truths, "bio")
        asked = [read_tagged(record, number) for number, record in enumerate(test)]
        words = [[item.text[start:end] for start, end, _ in item.spans] for item in asked]
        found: list[Prediction] = [{"entities": []} for _ in asked]
        pair_smoothing = self.smoothing if self.looks_back else None
        for rows, paths in markov.in_blocks(model, words, pair_smoothing):
            for row, path in zip(rows, paths, strict=True):
                labels = [model.states[state][0] or task.label_names()[0] for state in path]
                found[row] = {
                    "entities": [
                        {"start": start, "end": end, "label": label, "text": word}
                        for (start, end, _), label, word in zip(asked[row].spans, labels, words[row], strict=True)
                    ]
                }
        return found
