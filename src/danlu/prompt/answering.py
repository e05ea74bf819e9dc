"""From how likely words are to the label of a record: divided by their length, and calibrated.

A model prefers some words whatever it reads. What it answers to a prompt without content is that prejudice, and the
shares of the labels are divided by it (Zhao et al., 2021).

Legend: L labels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from danlu.data.record import Record
from danlu.prompt.scorer import Scorer
from danlu.prompt.shots import Shots
from danlu.task.task import Prediction
from danlu.text.prompting.filled import Filled, content_free, filled
from danlu.text.prompting.laid import Scored
from danlu.text.prompting.template import PromptTemplate

BLOCK = 64  # records whose prompts are in memory at once; who waits is told after each of these

Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Told:
    """What a model says of one record.

    - `words`, `scored`: the words of all labels, and how likely each is.
    - `of_labels`: of each label, which of the words are its own.
    - `raw`: (L,), the share of each label as the model finds it.
    - `prejudice`: (L,), the share of each label without any text; None where nothing is calibrated.
    """

    filled: Filled
    labels: tuple[str, ...]
    words: tuple[str, ...]
    of_labels: tuple[range, ...]
    scored: tuple[Scored, ...]
    raw: Shares
    prejudice: Shares | None

    @property
    def shares(self) -> Shares:
        """The share (L,) of each label, calibrated where there is something to calibrate by."""
        if self.prejudice is None:
            return self.raw
        return _normal(np.log(self.raw) - np.log(self.prejudice))

    def prediction(self, *, raw: bool = False) -> Prediction:
        """`{"label", "scores"}`; `raw` leaves calibration out."""
        shares_L = self.raw if raw else self.shares
        scores = dict(zip(self.labels, map(float, shares_L), strict=True))
        return {"label": self.labels[int(shares_L.argmax())], "scores": scores}


def answered(scorer: Scorer, template: PromptTemplate, records: Sequence[Record], shots: Shots) -> Iterator[Told]:
    """What the model says of each record, in order.

    Raises:
        Refusal: a record lacks what the template's slots need, or its prompt is too long.
    """
    prejudices: dict[Filled, Shares] = {}
    words = template.words
    for start in range(0, len(records), BLOCK):
        numbers = range(start, min(start + BLOCK, len(records)))
        prompts = [_prompt(template, records[number], shots.of(number), number) for number in numbers]
        nothings = [content_free(template, shots.of(number)) if template.calibrate else [] for number in numbers]
        new = list(dict.fromkeys(each for free in nothings for each in free if each not in prejudices))
        found = scorer.scored([*prompts, *new], words, template.chat)
        for each, scored in zip(new, found[len(prompts) :], strict=True):
            prejudices[each] = _shares(template, scored)
        for prompt, free, scored in zip(prompts, nothings, found, strict=False):
            prejudice = np.mean([prejudices[each] for each in free], 0) if free else None
            shares = _shares(template, scored)
            yield Told(prompt, template.labels, words, template.of_labels, tuple(scored), shares, prejudice)
        if template.choose == "similar":  # the next records have other examples
            prejudices.clear()


def _prompt(template: PromptTemplate, record: Record, shown: Sequence[str], number: int) -> Filled:
    where = f"record {number + 1:,}"
    return filled(template, template.values(record, where), shown, where)


def divided(template: PromptTemplate, scored: Scored) -> float:
    """The log-likelihood of a word, divided by what the template says."""
    return scored.log_probability / template.length(scored.tokens, scored.characters)


def _shares(template: PromptTemplate, scored: Sequence[Scored]) -> Shares:
    """The share of each label, of several words the mean or the sum of theirs."""
    logs_W = np.array([divided(template, each) for each in scored])
    logs_L = np.array([np.logaddexp.reduce(logs_W[list(words)]) for words in template.of_labels])
    counts_L = np.array([len(words) for words in template.of_labels])
    return _normal(logs_L - np.log(counts_L) if template.several == "mean" else logs_L)


def _normal(logs_L: Shares) -> Shares:
    """Shares that add up to 1; none is 0, so that each can be divided by."""
    shares_L = np.exp(logs_L - logs_L.max()) + np.finfo(np.float64).tiny
    return np.asarray(shares_L / shares_L.sum(), np.float64)
