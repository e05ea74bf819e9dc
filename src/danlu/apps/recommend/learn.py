"""A ranker from what users have taken up and what they were offered and left, each seen as it was at the time."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.candidates import by_rule, candidates
from danlu.apps.recommend.deed import UNIT, Deed, Weights
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.measures import ndcg
from danlu.apps.recommend.ranker import Ranker, learn
from danlu.apps.recommend.replay import Asked, MakeSpace, Replay, moments

WINDOWS = 8
"""Spans of the later half of the behaviour at least, each of which is foretold from what came before it."""
DAY, MOST_DAYS = 86_400.0, 32
"""Where there are enough days, spans are days, at most so many: what came overnight is new in the morning."""
JUDGING = 4
"""One span in so many judges, the last ones."""
LEFT_BESIDE = 20
"""Candidates that were not taken up, drawn for each user and span."""
MOST_LISTS = 2_000
FEWEST = 60
"""Items that were taken up, without which nothing can be learnt."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """What is learnt from: features, whether it was taken up, and how much a row counts."""

    features: Numbers
    taken: NDArray[np.bool_]
    weights: Numbers


@dataclass(frozen=True)
class Offered:
    """The candidates of a user at a moment: features, the highest of each among all items, and what was taken."""

    places: NDArray[np.int64]
    features: Numbers
    highest: Numbers
    taken: dict[int, int]


@dataclass(frozen=True)
class Learnt:
    """What came of learning.

    - `ranker`: None where the rule stays, as there was too little, or the ranker was no better on what it had not seen.
    - `ranker_ndcg`, `rule_ndcg`: NDCG@10 of both on the last spans; None where nothing was learnt.
    - `taken`: items that were learnt from.
    - `at_one_time`: whether all that is known happened at the same time.
    """

    ranker: Ranker | None
    taken: int
    ranker_ndcg: float | None = None
    rule_ndcg: float | None = None
    at_one_time: bool = False

    def sentence(self) -> str:
        """In words."""
        if self.at_one_time:
            return (
                "nothing was learnt: all behaviour is of the same time, so that none can be foretold from what came "
                "before it; give times; candidates are ranked by the rule"
            )
        if self.ranker_ndcg is None or self.rule_ndcg is None:
            return (
                f"nothing was learnt: {self.taken} items were taken up in the later half of the time, and {FEWEST} are "
                "needed; candidates are ranked by the rule"
            )
        both = f"NDCG@10 {self.ranker_ndcg:.4f}, the rule {self.rule_ndcg:.4f}, on the last quarter of it"
        if self.ranker is None:
            return f"a ranker was learnt from {self.taken:,} items and is no better than the rule, which stays ({both})"
        return f"a ranker was learnt from {self.taken:,} items that users took up ({both})"


def learnt(
    items: Sequence[Item], deeds: Sequence[Deed], weights: Weights, space: MakeSpace, end: float, seed: int = 0
) -> Learnt:
    """Learn from the deeds before `end`; the ranker is kept only where it foretells better than the rule."""
    known = sorted(deed.time for deed in deeds if deed.time < end)
    if not known or known[0] == known[-1]:
        return Learnt(None, 0, at_one_time=len(known) > 1)
    spans = spans_of(known[len(known) // 2], min(end, float(np.nextafter(known[-1], np.inf))))
    judged_from = len(spans) - len(spans) // JUDGING
    rng = np.random.default_rng(seed)
    replay = Replay(items, [deed for deed in deeds if deed.time < end], weights, space)
    learning: list[Rows] = []
    judging: list[tuple[Offered, Rows]] = []
    taken = 0
    for number, (start, stop) in enumerate(spans):
        for asked in replay.asked(start, stop, MOST_LISTS // len(spans), rng):
            offered = offered_to(asked)
            rows = rows_of(offered, rng)
            taken += int(rows.taken.sum())
            if number < judged_from:
                learning.append(rows)
            else:
                judging.append((offered, rows))
    if taken < FEWEST or not learning or not judging or not any(rows.taken.any() for rows in learning):
        return Learnt(None, taken)
    tried = _fitted(learning)
    by_ranker = float(np.mean([_judged(each, tried) for each, _ in judging]))
    rule = float(np.mean([_judged(each, None) for each, _ in judging]))
    if by_ranker <= rule:
        return Learnt(None, taken, by_ranker, rule)
    return Learnt(_fitted([*learning, *(rows for _, rows in judging)]), taken, by_ranker, rule)


def spans_of(start: float, end: float) -> list[tuple[float, float]]:
    """What is foretold, piece by piece: days (UTC) where there are enough of them, else equal spans."""
    first, last = ceil(start / DAY), floor(end / DAY)
    if last - first < WINDOWS:
        return moments(start, end, WINDOWS)
    return [(day * DAY, (day + 1) * DAY) for day in range(max(first, last - MOST_DAYS), last)]


def offered_to(asked: Asked) -> Offered:
    """The candidates of a user, as they are seen at the moment."""
    places = candidates(asked.view)
    return Offered(places, asked.view.features[places], asked.view.features.max(0, initial=0.0), asked.taken)


def rows_of(offered: Offered, rng: np.random.Generator) -> Rows:
    """What was taken up of the candidates of a user, by its weight, and some that was not."""
    taken = np.isin(offered.places, list(offered.taken))
    left = np.flatnonzero(~taken)
    chosen = np.sort(np.concatenate([np.flatnonzero(taken), rng.permutation(left)[:LEFT_BESIDE]]))
    weights = [offered.taken.get(place, UNIT) / UNIT for place in offered.places[chosen].tolist()]
    return Rows(offered.features[chosen], taken[chosen], np.maximum(weights, 1 / UNIT))


def _fitted(rows: Sequence[Rows]) -> Ranker:
    taken = np.concatenate([each.taken for each in rows])
    weights = np.concatenate([each.weights for each in rows])
    return learn(np.concatenate([each.features for each in rows]), taken, weights)


def _judged(offered: Offered, ranker: Ranker | None) -> float:
    features = offered.features
    scores = by_rule(features, offered.highest) if ranker is None else ranker.scores(features)
    return ndcg(offered.places[np.argsort(-scores, kind="stable")].tolist(), offered.taken)
