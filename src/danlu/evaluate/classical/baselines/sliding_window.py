"""A sliding window over the context (Richardson et al., 2013; the baseline of SQuAD, Rajpurkar et al., 2016).

The sentence in which the words of the question weigh most, rare words weighing more, and in it the run of words that
are not of the question around which those of the question stand nearest.
"""

import re
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.refusal import Refusal
from danlu.task.columns import text_in
from danlu.task.questions import CONTEXT, question_in
from danlu.task.task import Prediction, Task
from danlu.text.tagging.units import units

_SENTENCES = re.compile(r"[^。！？!?；;\n.]+(?:[。！？!?；;\n]|\.(?!\s|$)[^。！？!?；;\n.]*|\.)*")
_WORD = re.compile(r"\w")
_FUNCTION = frozenset(
    {"a", "an", "the", "of", "in", "on", "at", "to", "for", "by", "with", "from", "and", "or", "as", "it", "its"}
    | {"is", "was", "are", "were", "be", "been", "did", "do", "does", "has", "have", "had", "that", "this", "which"}
    | {"who", "what", "when", "where", "why", "how", "many", "much", *"的了是在和与及于为有吗呢什么谁哪几何个"}
)


class SlidingWindow(Baseline):
    """The piece of the best sentence that the words of the question surround, for `answer`."""

    answer_form: ClassVar[str] = "excerpt"

    longest: int | None = Field(
        default=None, ge=1, description="units of an answer; None: as long as most of the training data are"
    )

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Learn how long answers are, and predict `{"text", "start", "end", "score", "answers"}`; see `Baseline`."""
        self.refuse_other_form(task)
        if not train:
            raise Refusal("The training split has no records, and the baseline learns from them; look at the split.")
        lengths = [len(units(text)) for number, each in enumerate(train) for text in task.gold(each, number) if text]
        longest = self.longest or max(1, round(float(np.median(lengths)))) if lengths else 1
        return [self._answer(record, number, longest) for number, record in enumerate(test)]

    def _answer(self, record: Record, number: int, longest: int) -> Prediction:
        context, question = text_in(record, number, CONTEXT), question_in(record, number)
        places = units(context)
        words = [context[start:end].lower() for start, end in places]
        asked = {question[start:end].lower() for start, end in units(question)}
        weights = _weights(words, asked)
        first, stop = _best_sentence(context, places, weights)
        if first == stop:
            return {**_piece(context, 0, 0), "answers": [_piece(context, 0, 0)]}
        begin, end = _best_run(words[first:stop], weights[first:stop], longest)
        found = _piece(context, places[first + begin][0], places[first + end - 1][1])
        return {**found, "answers": [found]}


def _weights(words: Sequence[str], asked: set[str]) -> np.ndarray:
    """How much each word of the context says of the question, (N,): log(1 + 1 / count), and 0 for others."""
    counts = {word: words.count(word) for word in asked & set(words) if word not in _FUNCTION and _WORD.search(word)}
    return np.array([np.log1p(1 / counts[word]) if word in counts else 0.0 for word in words])


def _best_sentence(context: str, places: Sequence[tuple[int, int]], weights: np.ndarray) -> tuple[int, int]:
    """The words of the sentence in which those of the question weigh most: the first, and the one behind the last."""
    starts = [start for start, _ in places]
    best, most = (0, len(places)), -1.0
    for match in _SENTENCES.finditer(context):
        first, stop = np.searchsorted(starts, match.span()).tolist()
        if first < stop and (total := float(weights[first:stop].sum())) > most:
            best, most = (first, stop), total
    return best


def _best_run(words: Sequence[str], weights: np.ndarray, longest: int) -> tuple[int, int]:
    """The run of words, none of the question, to which those of the question stand nearest."""
    near = np.array([sum(weights / (1 + abs(np.arange(len(words)) - place))) for place in range(len(words))])
    free = np.array([weight == 0 and bool(_WORD.search(word)) for word, weight in zip(words, weights, strict=True)])
    content = free & np.array([word not in _FUNCTION for word in words])
    near = np.where(content if content.any() else free if free.any() else True, near, -1.0)
    begin = end = int(near.argmax())
    end += 1
    while end - begin < longest:
        left = free[begin - 1] if begin > 0 else False
        right = free[end] if end < len(words) else False
        if not (left or right):
            break
        if right and (not left or near[end] >= near[begin - 1]):
            end += 1
        else:
            begin -= 1
    return begin, end


def _piece(context: str, start: int, end: int) -> Prediction:
    return {"text": context[start:end], "start": start, "end": end, "score": 0.0}
