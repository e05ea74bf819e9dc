"""From how likely words are to the label of a record: divided by their length, and calibrated.

A model prefers some words whatever it reads. What it answers to a prompt without content is that prejudice, and the
shares of the labels are divided by it (Zhao et al., 2021).

Legend: L labels, or other answers.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from danlu.data.record import Record
from danlu.prompt.forms import Form, Shares, form_of
from danlu.prompt.scorer import Scorer
from danlu.prompt.shots import Shots
from danlu.task.task import Prediction
from danlu.text.prompting.filled import Filled, content_free, filled
from danlu.text.prompting.laid import Scored
from danlu.text.prompting.template import LABEL, PromptTemplate

BLOCK, ROWS = 64, 2000
"""Records whose prompts are in memory at once, and words of theirs from which on it is fewer of them; who waits is told
after each of these."""


LEAST = np.finfo(np.float64).min / 4
"""Where a model forbids a word altogether; of two infinite ones nothing could be told."""


@dataclass(frozen=True)
class Told:
    """What a model says of one record.

    - `labels`: how each answer is called.
    - `scored`: how likely each of the words is.
    - `of_labels`: of each answer, which of the words are its own.
    - `logs`: (L,), of the share of each answer as the model finds it; shares themselves may be too small for a number.
    - `prejudiced`: (L,), the same without any text; None where nothing is calibrated.
    """

    form: Form
    record: Record
    filled: Filled
    labels: tuple[str, ...]
    of_labels: tuple[range, ...]
    scored: tuple[Scored, ...]
    logs: Shares
    prejudiced: Shares | None

    @property
    def words(self) -> tuple[str, ...]:
        """The words of all answers."""
        return self.filled.words

    @property
    def raw(self) -> Shares:
        """The share (L,) of each answer as the model finds it."""
        return _shares(self.logs)

    @property
    def prejudice(self) -> Shares | None:
        """The share (L,) of each answer without any text; None where nothing is calibrated."""
        return None if self.prejudiced is None else _shares(self.prejudiced)

    @property
    def shares(self) -> Shares:
        """The share (L,) of each answer, calibrated where there is something to calibrate by."""
        return self.raw if self.prejudiced is None else _shares(_normal(self.logs - self.prejudiced))

    def prediction(self, *, raw: bool = False) -> Prediction:
        """Of the form that is asked for; `raw` leaves calibration out."""
        return self.form.prediction(self.record, self.words, self.raw if raw else self.shares)


def answered(
    scorer: Scorer, template: PromptTemplate, records: Sequence[Record], shots: Shots, form: Form | None = None
) -> Iterator[Told]:
    """What the model says of each record, in order.

    Raises:
        Refusal: a record lacks what the template's slots need, or its prompt is too long.
    """
    form = form or form_of(template, records)
    prejudices: dict[Filled, Shares] = {}
    start = 0
    for prompts in _blocks(_prompt(form, record, shots.of(number), number) for number, record in enumerate(records)):
        numbers = range(start, start + len(prompts))
        start = numbers.stop
        nothings = [
            content_free(template, shots.of(number), prompt.words) if template.calibrate else []
            for number, prompt in zip(numbers, prompts, strict=True)
        ]
        new = list(dict.fromkeys(each for free in nothings for each in free if each not in prejudices))
        found = scorer.scored([*prompts, *new], template.chat)
        for each, scored in zip(new, found[len(prompts) :], strict=True):
            prejudices[each] = _logs(form, each, scored)
        for number, prompt, free, scored in zip(numbers, prompts, nothings, found, strict=False):
            prejudiced = _mean([prejudices[each] for each in free]) if free else None
            names, groups = form.names(prompt.words), form.groups(prompt.words)
            logs_L = _logs(form, prompt, scored)
            yield Told(form, records[number], prompt, names, groups, tuple(scored), logs_L, prejudiced)
        if template.choose == "similar" or template.asks != LABEL:  # the next records have other examples, or words
            prejudices.clear()


def _blocks(prompts: Iterable[Filled]) -> Iterator[list[Filled]]:
    """Prompts in their order, as many at a time as fit into memory with all of their words."""
    block, rows = list[Filled](), 0
    for each in prompts:
        block.append(each)
        rows += len(each.words)
        if len(block) == BLOCK or rows >= ROWS:
            yield block
            block, rows = [], 0
    if block:
        yield block


def _prompt(form: Form, record: Record, shown: Sequence[str], number: int) -> Filled:
    where = f"record {number + 1:,}"
    return filled(form.template, form.template.values(record, where), shown, where, form.words(record, number))


def divided(template: PromptTemplate, scored: Scored) -> float:
    """The log-likelihood of a word, divided by what the template says."""
    return scored.log_probability / template.length(scored.tokens, scored.characters)


def _logs(form: Form, prompt: Filled, scored: Sequence[Scored]) -> Shares:
    """The logarithm of the share of each answer, of several words the mean or the sum of theirs."""
    template, groups = form.template, form.groups(prompt.words)
    logs_W = np.array([divided(template, each) for each in scored])
    logs_L = np.array([np.logaddexp.reduce(logs_W[list(words)]) for words in groups])
    counts_L = np.array([len(words) for words in groups])
    logs_L = np.maximum(logs_L, LEAST)
    return _normal(logs_L - np.log(counts_L) if template.several == "mean" else logs_L)


def _normal(logs_L: Shares) -> Shares:
    """Logarithms of shares that add up to 1."""
    logs_L = logs_L - logs_L.max()  # of the lowest number there is a half would be lost to rounding
    return np.asarray(logs_L - np.logaddexp.reduce(logs_L), np.float64)


def _mean(logs: Sequence[Shares]) -> Shares:
    """The logarithms of the means of shares."""
    return np.asarray(np.logaddexp.reduce(logs, axis=0) - np.log(len(logs)), np.float64)


def _shares(logs_L: Shares) -> Shares:
    """The shares; none is 0, so that each has a logarithm."""
    return np.asarray(np.maximum(np.exp(logs_L), np.finfo(np.float64).tiny), np.float64)
