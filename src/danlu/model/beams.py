"""Beam search: the best of several texts that are written side by side (Lowerre, 1976; Wu et al., 2016).

What is kept, what counts as finished and when it is over is as in transformers 5, so that a model that was tuned with
one answers the same with the other.

Legend: E prompts, R rows of each, V vocabulary, K candidates.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from danlu.model.ends import Ends
from danlu.model.hypothesis import Hypotheses
from danlu.model.written import Written


class Candidate(NamedTuple):
    """A row, its next token, the sum of scores with it, and the log-probability that the model gives that token."""

    row: int
    token: int
    score: float
    log_probability: float


class Beam(NamedTuple):
    """A text under way."""

    ids: tuple[int, ...]
    score: float
    log_probability: float


class Finished(NamedTuple):
    """A text that has ended, with its score for each of its tokens."""

    score: float
    beam: Beam
    ended: Literal["end", "stop", "length"]


@dataclass(frozen=True)
class Search:
    """How wide, how lengths are weighed (score / length ** penalty), and when to stop looking."""

    width: int
    length_penalty: float
    early_stopping: bool | Literal["never"]
    returned: int


class Beams(Hypotheses):
    """The texts of one prompt that are best so far."""

    def __init__(self, prompt: Sequence[int], ends: Ends, search: Search) -> None:
        super().__init__(prompt, ends)
        self.search = search
        self.open = [Beam((), 0.0, 0.0)]
        self.finished: list[Finished] = []

    def add(self, candidates: Iterable[Candidate]) -> None:
        """Go on with the best of the candidates, which come the best first."""
        length = len(self.open[0].ids) + 1 + self.ends.forced
        going: list[tuple[int, Beam]] = []
        for place, candidate in enumerate(candidates):
            before = self.open[candidate.row]
            beam = Beam(
                (*before.ids, candidate.token), candidate.score, before.log_probability + candidate.log_probability
            )
            ended = self._ended(beam, length)
            if ended is None:
                going.append((candidate.row, beam))
            elif place < self.search.width:
                self._finish(Finished(beam.score / length**self.search.length_penalty, beam, ended))
        going = going[: self.search.width]
        if not going and not self.finished:  # nothing may follow: what stands here is all there is
            best = self.open[0]
            self._finish(Finished(best.score / max(1, length - 1) ** self.search.length_penalty, best, "length"))
        if not going or self._over(going[0][1].score, length):
            going = []
        self.parents, self.tokens = [row for row, _ in going], [beam.ids[-1] for _, beam in going]
        self.open = [beam for _, beam in going]

    def written(self) -> list[Written]:
        """See `Hypotheses.written`."""
        return [self._as_written(each) for each in self.finished[: self.search.returned]]

    def _ended(self, beam: Beam, length: int) -> Literal["end", "stop", "length"] | None:
        if beam.ids[-1] in self.ends.ids:
            return "end"
        if self.ends.stop and self._cut(self.ends.spelled(beam.ids))[1]:
            return "stop"
        return "length" if length >= self.ends.room else None

    def _finish(self, found: Finished) -> None:
        if len(self.finished) == self.search.width and self.search.early_stopping is True:
            return
        self.finished = sorted([*self.finished, found], key=lambda each: -each.score)[: self.search.width]

    def _over(self, best: float, length: int) -> bool:
        """Whether no text that is under way can be better than the worst that is finished."""
        if len(self.finished) < self.search.width:
            return False
        if self.search.early_stopping is True:
            return True
        penalty = self.search.length_penalty
        reached = self.ends.room if self.search.early_stopping == "never" and penalty > 0 else length
        return bool(best / reached**penalty <= self.finished[-1].score)

    def _as_written(self, found: Finished) -> Written:
        ids = found.beam.ids[:-1] if found.ended == "end" else found.beam.ids
        text, _ = self._cut(self.ends.spelled(ids))
        return Written(text, np.array(ids, np.int32), found.beam.log_probability, found.ended)

    def _cut(self, text: str) -> tuple[str, bool]:
        places = [place for stop in self.ends.stop if (place := text.find(stop)) >= 0]
        return (text[: min(places)], True) if places else (text, False)
