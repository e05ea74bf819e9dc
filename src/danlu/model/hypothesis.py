"""What is being written after a prompt, while it is written."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np

from danlu.model.ends import Ends
from danlu.model.spelling import Spelling
from danlu.model.written import Chosen, Written


class Hypotheses(ABC):
    """Texts that begin with one prompt, a row each.

    - `parents`: the row, among those before the last token, from which each row goes on; empty once all is written.
    - `tokens`: the token that each row goes on with.
    """

    def __init__(self, prompt: Sequence[int], ends: Ends) -> None:
        self.prompt = list(prompt)
        self.ends = ends
        self.parents: list[int] = [0]
        self.tokens: list[int] = []

    @abstractmethod
    def written(self) -> list[Written]:
        """What was written, the best first."""


@dataclass(eq=False)
class Line:
    """One text that is written by itself."""

    ends: Ends
    ids: list[int] = field(default_factory=list)
    log_probability: float = 0.0
    ended: Literal["end", "stop", "length"] | None = None
    spelling: Spelling | None = None
    take: Callable[[str], object] | None = None
    random: np.random.Generator | None = None
    chosen: list[Chosen] = field(default_factory=list)

    def add(self, token: int, log_probability: float) -> None:
        """Go on with a token of this log-probability; `ended` says whether that was the last."""
        self.log_probability += log_probability
        if token in self.ends.ids:
            self.ended = "end"
        else:
            self.ids.append(token)
            if self.spelling is not None:
                self._tell(self.spelling.add(token))
                if self.spelling.stopped:
                    self.ended = "stop"
        if self.ended is None and len(self.ids) + self.ends.forced >= self.ends.room:
            self.ended = "length"
        if self.ended is not None and self.spelling is not None:
            self._tell(self.spelling.rest())

    def written(self, number: int) -> Written:
        """What stands here, as text `number` of a prompt, once it has ended."""
        assert self.ended is not None
        text = self.ends.spelled(self.ids) if self.spelling is None else self.spelling.text
        ids = np.array(self.ids, np.int32)
        return Written(text, ids, self.log_probability, self.ended, tuple(self.chosen), number)

    def _tell(self, text: str) -> None:
        if text and self.take is not None:
            self.take(text)


class Lines(Hypotheses):
    """Texts of one prompt that know nothing of each other.

    - `likeliest`: how many of the likeliest tokens are told beside each that is written; None: nothing is told.
    """

    likeliest: int | None = None

    def __init__(self, prompt: Sequence[int], ends: Ends, count: int) -> None:
        super().__init__(prompt, ends)
        self.all = [Line(ends) for _ in range(count)]
        for line in self.all if ends.stop else ():
            line.spelling = ends.spelling()
        self.open = list(self.all)

    def stream(self, take: Callable[[int, str], object]) -> None:
        """Hand the texts to `take` piece by piece, each piece with the number of its text."""
        for number, line in enumerate(self.all):
            line.spelling = line.spelling or self.ends.spelling()
            line.take = partial(take, number)

    def add(self, tokens: Sequence[int], log_probabilities: Sequence[float]) -> None:
        """Go on with a token in each open line."""
        begun = bool(self.tokens)
        self.parents, self.tokens = [], []
        for row, (line, token, log_probability) in enumerate(zip(self.open, tokens, log_probabilities, strict=True)):
            line.add(token, log_probability)
            if line.ended is None:
                self.parents.append(row if begun else 0)
                self.tokens.append(token)
        self.open = [line for line in self.open if line.ended is None]

    def written(self) -> list[Written]:
        """See `Hypotheses.written`."""
        return sorted((line.written(number) for number, line in enumerate(self.all)), key=lambda each: -each.score)
