"""Which candidate is the best answer, how probably it is right, and from when on it is given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp
from typing import Any, Self

import numpy as np

from danlu.apps.assistant.matching import FEATURES, Candidate

OUTSIDE = 0.05
"""Share of the questions that nothing here answers, of which so many may get an answer all the same."""
FIRST_WEIGHTS = {"asked": 2.0, "covered": 1.0, "reply": 0.5, "often": 0.05, "vector": 4.0, "rank": 0.0}
"""Before anything is learnt."""
LEAST = 20
"""Questions that are learnt from; with fewer the first weights stay."""

Measured = Sequence[Candidate]
Examined = tuple[Measured, str | None]
"""The candidates of a question, and the entry that is right; None: no answer here is."""


@dataclass(frozen=True)
class Placed:
    """The candidates in order, and the probability that the first is right."""

    candidates: tuple[Candidate, ...]
    scores: tuple[float, ...]
    sure: float


@dataclass(frozen=True)
class Ranking:
    """Weights of the features for the order, and for how sure it is of the first; an answer is given above `threshold`.

    - `told`: what was found when it was fitted, and of how many questions.
    """

    weights: dict[str, float] = field(default_factory=lambda: dict(FIRST_WEIGHTS))
    sure: dict[str, float] = field(default_factory=lambda: {"bias": -6.0, "asked": 4.0, "covered": 2.0, "vector": 2.0, "margin": 2.0})  # fmt: skip
    threshold: float = 0.5
    told: dict[str, Any] = field(default_factory=dict)

    def placed(self, candidates: Measured) -> Placed:
        """Put candidates in order; of equals the one whose name is first."""
        if not candidates:
            return Placed((), (), 0.0)
        scored = sorted(((self.score(each), each) for each in candidates), key=lambda pair: (-pair[0], pair[1].entry))
        scores = tuple(score for score, _ in scored)
        first = scored[0][1]
        values = _confident(first, scores)
        total = self.sure["bias"] + sum(self.sure.get(name, 0.0) * value for name, value in values.items())
        return Placed(tuple(each for _, each in scored), scores, 1.0 / (1.0 + exp(-max(-50.0, min(50.0, total)))))

    def score(self, candidate: Candidate) -> float:
        """By this they are in order."""
        return sum(self.weights.get(name, 0.0) * value for name, value in candidate.features.items())

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"weights": self.weights, "sure": self.sure, "threshold": self.threshold, "told": self.told}

    @classmethod
    def read(cls, plain: dict[str, Any]) -> Self:
        """From JSON."""
        return cls(plain["weights"], plain["sure"], float(plain["threshold"]), plain["told"])


def _confident(first: Candidate, scores: Sequence[float]) -> dict[str, float]:
    """What tells how probably the first is right: its features, and how far the second lies behind."""
    return first.features | {"margin": scores[0] - scores[1] if len(scores) > 1 else scores[0]}


def weights_of(examined: Sequence[Examined]) -> dict[str, float]:
    """Weights by which the right answers stand before the others (Herbrich et al., 2000: differences, logistic)."""
    from sklearn.linear_model import LogisticRegression

    rows, scale = [], 1.0 / max(1, len(examined))
    for candidates, right in examined:
        best = next((each for each in candidates if each.entry == right), None)
        others = [each for each in candidates if each.entry != right]
        if best is None or not others:
            continue
        # the nearest others are those that the order is lost to
        others = sorted(others, key=lambda each: -sum(FIRST_WEIGHTS[n] * v for n, v in each.features.items()))[:10]
        rows += [[best.features[name] - each.features[name] for name in FEATURES] for each in others]
    if len(rows) < LEAST:
        return dict(FIRST_WEIGHTS)
    differences = np.array(rows)
    both, truth = np.concatenate([differences, -differences]), np.repeat([1, 0], len(differences))
    model = LogisticRegression(C=10.0 * scale * len(rows), fit_intercept=False, max_iter=1000).fit(both, truth)
    return {name: float(value) for name, value in zip(FEATURES, model.coef_[0], strict=True)}


def sure_of(ranking: Ranking, examined: Sequence[Examined]) -> dict[str, float]:
    """Weights by which the probability that the first is right is told (Platt, 1999)."""
    from sklearn.linear_model import LogisticRegression

    rows, truth = [], []
    for candidates, right in examined:
        placed = ranking.placed(candidates)
        if placed.candidates:
            rows.append(_confident(placed.candidates[0], placed.scores))
            truth.append(placed.candidates[0].entry == right)
    if len(rows) < LEAST or len(set(truth)) < 2:
        return ranking.sure
    names = [*FEATURES, "margin"]
    model = LogisticRegression(C=10.0, max_iter=1000).fit([[row[name] for name in names] for row in rows], truth)
    learnt = {name: float(value) for name, value in zip(names, model.coef_[0], strict=True)}
    return {"bias": float(model.intercept_[0])} | learnt


def fitted(examined: Sequence[Examined], before: Ranking, outside: float = OUTSIDE) -> Ranking:
    """A ranking that is learnt of questions, in two halves: the threshold is fitted on those that the weights have not seen.

    At most `outside` of the questions without an answer here are answered, as far as others are like these.
    """
    learnt, held = examined[::2], examined[1::2]
    ranking = Ranking(weights_of(learnt), before.sure, before.threshold)
    ranking = Ranking(ranking.weights, sure_of(ranking, learnt), before.threshold)
    without = [ranking.placed(candidates).sure for candidates, right in held if right is None]
    threshold = threshold_of(without, outside)
    return Ranking(ranking.weights, ranking.sure, threshold, {"outside": outside, "questions": len(examined)})


def threshold_of(outside: Sequence[float], share: float) -> float:
    """The probability above which about `share` of questions like those `outside` would be answered, and no more.

    Of N that were seen, the (N + 1) * share highest may lie above it (Vovk et al., 2005, "conformal prediction"), so that
    the share holds on average of what comes, if it is like what was seen. 0.5 where nothing was seen.
    """
    if not len(outside):
        return 0.5
    ordered = sorted(outside, reverse=True)
    above = int((len(ordered) + 1) * share)
    return 1.0 if above < 1 else ordered[min(above, len(ordered)) - 1]
