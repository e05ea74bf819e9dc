"""Texts that must have some words, sought side by side: so many for each part of the words that stands there already.

Beams are dealt out among banks, by how much of the words a text has (Post and Vilar, 2018), so that one that has begun
with a word is not lost to likelier ones that have not. A text may end only with all words, and always keeps the tokens
that the missing ones need; so none is ever written without them.

Under a temperature each text has its log-probability with Gumbel noise, drawn for the next tokens so that the best of
them has what the text had (Kool et al., 2019): of all texts with the words, the best is then drawn as likely as the
model finds it among these.

Legend: R rows, K tokens that are looked at.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from danlu.model.ends import Ends
from danlu.model.hypothesis import Hypotheses
from danlu.model.must_have import MustHave, Standing
from danlu.model.written import Written
from danlu.refusal import Refusal

Ended = Literal["end", "stop", "length"]
Floats = NDArray[np.float64]


class Begun(NamedTuple):
    """A text under way.

    - `log_probability`: as the model has it; `log_chance`: by how its tokens are drawn; `score`: by which it is
      compared.
    """

    ids: tuple[int, ...]
    log_probability: float
    log_chance: float
    score: float
    standing: Standing


@dataclass(frozen=True)
class Bounds:
    """How wide, how long a text may be in its units, and when enough have ended.

    - `power`: of the number of tokens, by which a score is divided.
    - `enough`: texts that end, among the best of a step, before the search does.
    """

    width: int
    at_least: int
    at_most: float
    power: float
    enough: float


class _Next(NamedTuple):
    row: int
    bank: int
    safe: bool
    begun: Begun


class Banked(Hypotheses):
    """The texts of one prompt that must have some words."""

    def __init__(
        self,
        prompt: Sequence[int],
        ends: Ends,
        wanted: MustHave,
        bounds: Bounds,
        random: np.random.Generator | None,
    ) -> None:
        super().__init__(prompt, ends)
        self.wanted = wanted
        self.bounds = bounds
        self.random = random
        self.open = [Begun((), 0.0, 0.0, 0.0, wanted.begin())]
        self.finished: list[tuple[float, Begun, Ended]] = []
        self._good = 0
        self._needed = max(1.0, self.open[0].standing.need)

    def wants(self) -> list[list[int]]:
        """The tokens that are looked at in each row, however unlikely they are: ends, and those that words need."""
        return [[*self.ends.ids, *self.wanted.options(begun.standing)] for begun in self.open]

    def add(self, tokens: Sequence[NDArray[np.int64]], logs: Sequence[Floats], chances: Sequence[Floats]) -> None:
        """Go on with some tokens of each row, whose log-probabilities are given as the model and as the draw has them.

        They have all that `wants` names.

        Raises:
            Refusal: nothing may follow, and words are missing.
        """
        nexts: list[_Next] = []
        last, before = self.open, len(self.finished)
        for row, (begun, wants, ids_K, logs_K, chances_K) in enumerate(
            zip(last, self.wants(), tokens, logs, chances, strict=True)
        ):
            totals_K = begun.log_chance + chances_K
            scores_K = totals_K if self.random is None else _conditional(totals_K, begun.score, self.random)
            best = np.argsort(-scores_K, kind="stable")[: 2 * self.bounds.width]  # of one row no more can be kept
            for place in np.union1d(best, np.flatnonzero(np.isin(ids_K, wants))).tolist():
                if scores_K[place] > float("-inf"):
                    log, score = begun.log_probability + float(logs_K[place]), float(scores_K[place])
                    self._look(nexts, row, begun, int(ids_K[place]), log, float(totals_K[place]), score)
        self._count(nexts, [begun.score for _, begun, _ in self.finished[before:]])
        kept = self._dealt(nexts)
        if not kept and not self.finished:
            self._finish(self._all_there_is(last), "length")
        if not kept or self._over(kept):
            kept = []
        self.parents, self.tokens = [each.row for each in kept], [each.begun.ids[-1] for each in kept]
        self.open = [each.begun for each in kept]

    def written(self) -> list[Written]:
        """The best."""
        _, best, ended = max(self.finished, key=lambda each: each[0])
        ids = best.ids[:-1] if ended == "end" else best.ids
        text = self._cut(self.ends.spelled(ids))
        return [Written(text, np.array(ids, np.int32), best.log_probability, ended)]

    def _all_there_is(self, begun: Sequence[Begun]) -> Begun:
        """The best text that has its words, where nothing may follow any more."""
        whole = [each for each in begun if each.standing.need == 0]
        if not whole:
            raise Refusal(
                "policy.words: the model is told never to write some tokens of the words; ask for others, or change "
                "'logit_bias' or what its configuration forbids"
            )
        return max(whole, key=lambda each: each.score)

    def _look(
        self, nexts: list[_Next], row: int, begun: Begun, token: int, log: float, total: float, score: float
    ) -> None:
        """See what one more token makes of a text: it ends, goes on, or cannot be."""
        standing, wanted, bounds = begun.standing, self.wanted, self.bounds
        if token in self.ends.ids:
            if standing.need == 0 and standing.units >= bounds.at_least:
                self._finish(Begun((*begun.ids, token), log, total, score, standing), "end")
            return
        if token >= len(wanted.pieces.of) or not wanted.pieces.of[token]:
            return
        now = wanted.after(standing, token)
        if now is None or now.units > bounds.at_most:
            return
        grown = Begun((*begun.ids, token), log, total, score, now)
        if self.ends.stop and self._stopped(grown):
            return
        room = self.ends.room - len(grown.ids) - self.ends.forced
        if room <= 0:
            if now.need == 0:
                self._finish(grown, "length")
            return
        part = max(0.0, 1 - now.need / self._needed)
        bank = int(part * min(self._needed, bounds.width // 2))
        nexts.append(_Next(row, bank, now.need <= room and now.least <= bounds.at_most, grown))

    def _count(self, nexts: list[_Next], ended: list[float]) -> None:
        """Count the texts of a step that have ended, where they are among the best that have all words."""
        going = [each.begun.score for each in nexts if each.begun.standing.met == self.wanted.all]
        best = sorted([*going, *ended])[-self.bounds.width :]
        self._good += sum(score >= best[0] for score in ended)

    def _dealt(self, nexts: list[_Next]) -> list[_Next]:
        """The texts to go on with: in turn the best of each bank; those that might not get their words come last."""
        kept: list[_Next] = []
        for safe in (True, False):
            banks = defaultdict(list)
            for each in nexts:
                if each.safe is safe:
                    banks[each.bank].append(each)
            piles = [
                sorted(banks[bank], key=lambda each: (each.begun.score, each.begun.ids)) for bank in sorted(banks)[::-1]
            ]
            while len(kept) < self.bounds.width and any(piles):
                for pile in piles:
                    if pile and len(kept) < self.bounds.width:
                        kept.append(pile.pop())
        return kept

    def _stopped(self, begun: Begun) -> bool:
        """Whether what stops a text has come; it is finished where it has its words before that."""
        whole = begun.standing.text.decode("utf-8", "replace")
        text = self._cut(whole)
        if len(text) == len(whole):
            return False
        if all(word.pattern.search(text) for word in self.wanted.words):
            self._finish(begun, "stop")
        return True

    def _cut(self, text: str) -> str:
        places = [place for stop in self.ends.stop if (place := text.find(stop)) >= 0]
        return text[: min(places)] if places else text

    def _finish(self, begun: Begun, ended: Ended) -> None:
        self.finished.append((begun.score / max(1, len(begun.ids)) ** self.bounds.power, begun, ended))

    def _over(self, kept: Sequence[_Next]) -> bool:
        """Whether enough have ended, or none that is under way can be better than the best that has."""
        if not self.finished:
            return False
        best = max(score for score, _, _ in self.finished)
        reach = self.ends.room if self.bounds.power > 0 else len(kept[0].begun.ids)
        hoped = max(each.begun.score for each in kept) / reach**self.bounds.power
        return self._good >= self.bounds.enough or best >= hoped


def _conditional(totals_K: Floats, most: float, random: np.random.Generator) -> Floats:
    """Gumbel noise around log-probabilities, given that the greatest sum is `most` (Kool et al., 2019, appendix B)."""
    noisy_K = totals_K + random.gumbel(size=len(totals_K))
    greatest = noisy_K.max()
    with np.errstate(divide="ignore", invalid="ignore"):
        left_K = most - noisy_K + np.log1p(-np.exp(noisy_K - greatest))
    found_K: Floats = most - np.maximum(left_K, 0) - np.log1p(np.exp(-np.abs(left_K)))
    found_K[noisy_K == greatest] = most
    found_K[totals_K == float("-inf")] = float("-inf")
    return found_K
