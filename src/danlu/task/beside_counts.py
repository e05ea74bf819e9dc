"""A tagger and a counted model of the same tags, which find the best path together.

The network knows what a text means, the counts what names there are; their logarithms are added, as two experts that
know different things (Hinton, 2002). T tokens, U units, S states of the counted model, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from danlu.task.entities import Marked
from danlu.text.batching.align import Offsets, Span
from danlu.text.tagging import kept, markov
from danlu.text.tagging.units import Border, marks, units

Floats = NDArray[np.float64]

SMOOTHING = 2.0
"""Weight of the single unit against the pair: what was best for the counted model alone."""
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
USUAL = 1.0
"""The weight where no validation records choose one."""


@dataclass(frozen=True)
class Said:
    """What the network says of a text.

    - `places`: of its units; `scores` (U, S): the log-probability of what a state makes of a unit's tokens.
    - `tokens` (U,): how many tokens begin in a unit.
    """

    text: str
    places: list[Border]
    scores: Floats
    tokens: NDArray[np.int64]

    @property
    def words(self) -> list[str]:
        """The units."""
        return [self.text[start:end] for start, end in self.places]


def count(marked: Sequence[Marked]) -> str:
    """What stands where in marked texts, as plain text."""
    places = [units(item.text) for item in marked]
    words = [[item.text[start:end] for start, end in each] for item, each in zip(marked, places, strict=True)]
    truths = [marks(each, item.spans) for item, each in zip(marked, places, strict=True)]
    return kept.packed(markov.counted(words, truths, "context"))


def said(log_TC: NDArray[np.floating], offsets_T2: Offsets, text: str, counts: str, labels: Sequence[str]) -> Said:
    """What the tokens of a text say of its units.

    A token belongs to the first unit that it touches: the first of a unit says that a span begins there, or goes on,
    the others that it goes on. Two units that share a token are in one span, or both outside.
    """
    begins_S, goes_on_S, together_S = _classes(counts, tuple(labels))
    places = units(text)
    edges_U2 = np.array(places, np.int64).reshape(-1, 2)
    scores_US = np.zeros((len(places), len(begins_S)))
    first_T = np.searchsorted(edges_U2[:, 1], offsets_T2[:, 0], "right")
    stop_T = np.searchsorted(edges_U2[:, 0], offsets_T2[:, 1], "left")
    held = np.flatnonzero(first_T < stop_T)
    owner = first_T[held]
    leads = np.diff(owner, prepend=-1) > 0
    np.add.at(scores_US, owner, log_TC[held[:, None], np.where(leads[:, None], begins_S, goes_on_S)])
    for token in held[stop_T[held] - owner > 1].tolist():
        scores_US[first_T[token] : stop_T[token] - 1, ~together_S] = markov.UNSEEN
    tokens_U = np.bincount(owner, minlength=len(places))
    return Said(text, places, scores_US, tokens_U)


@lru_cache(8)
def _classes(counts: str, labels: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Of each state, (S,): the class of a unit's first token, that of its others, and whether the next is with it."""
    states = kept.opened(counts).states
    begins = [0 if label is None else 1 + 2 * labels.index(label) + bool(left) for label, left, _ in states]
    goes_on = [0 if label is None else 2 + 2 * labels.index(label) for label, _, _ in states]
    together = [right is False if label is None else right is True for label, _, right in states]
    return np.array(begins), np.array(goes_on), np.array(together)


def found(texts: Sequence[Said], counts: str, weight: float, labels: Sequence[str]) -> list[list[tuple[Span, float]]]:
    """The spans of each text on the best path, and the geometric mean of what the network gives their tokens."""
    model = kept.opened(counts)
    spans: list[list[tuple[Span, float]]] = [[] for _ in texts]
    blocks = markov.in_blocks(model, [item.words for item in texts], SMOOTHING, [item.scores for item in texts], weight)
    for rows, paths in blocks:
        for row, path in zip(rows, paths, strict=True):
            spans[row] = _spans(texts[row], path, [model.states[state] for state in path], labels)
    return spans


def best_weight(
    texts: Sequence[Said], truths: Sequence[frozenset[Span]], alone: float, counts: str, labels: Sequence[str]
) -> float:
    """The weight of the counted model with which most spans of these texts are right; the least of equals.

    `alone` is the F1 of the tagger alone.
    """
    scores = {0.0: alone}
    for weight in WEIGHTS[1:]:
        answers = [frozenset(span for span, _ in each) for each in found(texts, counts, weight, labels)]
        scores[weight] = f1(truths, answers)
    return max(scores, key=lambda weight: scores[weight])


def f1(truths: Sequence[frozenset[Span]], answers: Sequence[frozenset[Span]]) -> float:
    """Twice the spans that are right among those that there are, and that are given."""
    right = sum(len(truth & answer) for truth, answer in zip(truths, answers, strict=True))
    return 2 * right / max(1, sum(map(len, truths)) + sum(map(len, answers)))


def _spans(
    text: Said, path: Sequence[int], states: Sequence[markov.HiddenState], labels: Sequence[str]
) -> list[tuple[Span, float]]:
    spans: list[tuple[Span, float]] = []
    logs, tokens = 0.0, 0
    for unit, (state, (label, left, _)) in enumerate(zip(path, states, strict=True)):
        if label is None:
            continue
        start, end = text.places[unit]
        if left and spans:
            start = spans.pop()[0][0]
        else:
            logs, tokens = 0.0, 0
        logs, tokens = logs + float(text.scores[unit, state]), tokens + int(text.tokens[unit])
        spans.append(((start, end, labels.index(label)), float(np.exp(logs / max(1, tokens)))))
    return spans
