"""What has been found of one answer: which words it goes back to, and how far that can be believed. W words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import fsum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.explain.faithful import Faithfulness
from danlu.explain.words import Word


@dataclass(frozen=True)
class Explanation:
    """One number that a model says of a record, and what each word has to do with it.

    - `record`: the number of the record, from 0; `task`, `method`: their kinds.
    - `target`, `unit`, `value`: what is explained, in what, and how much the model says; see `danlu.explain.aim.Aim`.
    - `shown`: the probability where the value is log-odds, else the value.
    - `whole`: what the whole text gets, as it is shown, where it is read in pieces, of which this is one.
    - `signed`: whether scores below 0 speak against the target.
    - `texts`: what was explained, as the model read it; `words`, `scores`: (W,), theirs in the order of the row.
    - `tokens`: the names of all tokens of the row, `token_scores` theirs; `special`: those that are of no word.
    - `unread`: of each text the characters that the row has no room for, `limit` tokens being the most.
    - `rewritten`: whether the texts were cleaned before they were read.
    - `gap`, `unreliable`, `facts`: see `danlu.explain.explainer.Attribution`; `faithfulness`: None where not looked at.
    - `attention`: (L, H, T, T), of methods that look at it.
    """

    record: int
    task: str
    method: str
    target: str
    unit: str
    value: float
    shown: float
    whole: float | None
    signed: bool
    texts: Mapping[str, str]
    words: tuple[Word, ...]
    scores: tuple[float, ...]
    tokens: tuple[str, ...]
    token_scores: tuple[float, ...]
    unread: Mapping[str, tuple[tuple[int, int], ...]]
    limit: int
    rewritten: bool
    gap: float | None
    unreliable: bool
    facts: Mapping[str, float]
    faithfulness: Faithfulness | None
    attention: NDArray[np.float32] | None = None

    @property
    def total(self) -> float:
        """Sum of the scores of all words, which is that of their tokens."""
        return fsum(self.scores)

    @property
    def special(self) -> tuple[tuple[str, float], ...]:
        """Tokens of no word: special ones, what a template put in, what was written before."""
        own = {place for word in self.words for place in word.tokens}
        pairs = zip(self.tokens, self.token_scores, strict=True)
        return tuple(pair for place, pair in enumerate(pairs) if place not in own)

    def ranked(self) -> list[tuple[str, float]]:
        """Words and their scores, the highest first."""
        told = [(self.texts[word.column][word.start : word.end], score) for word, score in self.scored()]
        return sorted(told, key=lambda pair: -pair[1])

    def scored(self) -> list[tuple[Word, float]]:
        """Words and their scores, in the order of the row."""
        return list(zip(self.words, self.scores, strict=True))

    def to_plain(self) -> dict[str, Any]:
        """As plain values of json; attention is left out, but for the page and whoever asks for it in Python."""
        words = [
            {
                "column": word.column,
                "start": word.start,
                "end": word.end,
                "text": self.texts[word.column][word.start : word.end],
                "score": score,
                "tokens": list(word.tokens),
            }
            for word, score in self.scored()
        ]
        return {
            "record": self.record,
            "task": self.task,
            "method": self.method,
            "target": self.target,
            "unit": self.unit,
            "value": self.value,
            "shown": self.shown,
            "whole": self.whole,
            "texts": dict(self.texts),
            "words": words,
            "tokens": [
                {"token": name, "score": score} for name, score in zip(self.tokens, self.token_scores, strict=True)
            ],
            "special": [{"token": name, "score": score} for name, score in self.special],
            "sum": self.total,
            "gap": self.gap,
            "unreliable": self.unreliable,
            "facts": dict(self.facts),
            "faithfulness": None if self.faithfulness is None else asdict(self.faithfulness),
            "unread": {column: [list(span) for span in spans] for column, spans in self.unread.items()},
            "rewritten": self.rewritten,
        }
