"""Which candidate is the best answer, how probably it is right, and from when on it is given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from danlu.apps.assistant.matching import FEATURES, Candidate
from danlu.apps.grounded import bar
from danlu.apps.grounded.bar import Bar
from danlu.machine.seed import generator

OUTSIDE = 0.05
"""Share of the questions that nothing here answers, of which so many may get an answer all the same."""
FIRST_WEIGHTS = {"asked": 2.0, "words": 0.5, "covered": 1.0, "reply": 0.5, "often": 0.05, "vector": 4.0, "rank": 0.0}
"""Before anything is learnt."""
FIRST_BAR = Bar({"asked": 4.0, "covered": 2.0, "vector": 2.0, "margin": 1.0}, -5.0, 0.0)
"""The same of how sure it must be."""
LEAST = 20
"""Questions that are learnt from; with fewer the first weights stay."""

Measured = Sequence[Candidate]
Examined = tuple[Measured, str | None]
"""The candidates of a question, and the entry that is right; None: no answer here is."""


@dataclass(frozen=True)
class Placed:
    """The candidates in order; how probably the first is right, and whether that is enough to give it."""

    candidates: tuple[Candidate, ...] = ()
    scores: tuple[float, ...] = ()
    sure: float = 0.0
    given: bool = False


@dataclass(frozen=True)
class Ranking:
    """Weights of the features for the order, and how sure it must be of the first."""

    weights: dict[str, float] = field(default_factory=lambda: dict(FIRST_WEIGHTS))
    bar: Bar = FIRST_BAR

    def placed(self, candidates: Measured) -> Placed:
        """Put candidates in order; of equals the one whose name is first."""
        if not candidates:
            return Placed()
        scored = sorted(((self.score(each), each) for each in candidates), key=lambda pair: (-pair[0], pair[1].entry))
        scores = tuple(score for score, _ in scored)
        told = signals(scored[0][1], scores)
        given = self.bar.passes(told) and scored[0][1].related
        return Placed(tuple(each for _, each in scored), scores, self.bar.sure(told), given)

    def score(self, candidate: Candidate) -> float:
        """By this they are in order."""
        return sum(self.weights.get(name, 0.0) * value for name, value in candidate.features.items())

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"weights": self.weights, "bar": self.bar.to_plain()}

    @classmethod
    def read(cls, plain: dict[str, Any]) -> Self:
        """From JSON."""
        return cls(plain["weights"], Bar.from_plain(plain["bar"], "the ranking of a version"))


def signals(first: Candidate, scores: Sequence[float]) -> dict[str, float]:
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
    size = sum(FIRST_WEIGHTS.values()) / max(1e-9, float(np.abs(model.coef_).sum()))
    return {name: float(value) * size for name, value in zip(FEATURES, model.coef_[0], strict=True)}


def fitted(
    examined: Sequence[Examined], before: Ranking, outside: float = OUTSIDE, models: str | None = None
) -> Ranking:
    """A ranking learnt of questions; how sure it must be is told by weights of the half that a question is not in.

    About `outside` of the questions without an answer here are answered, and no more, as far as others are like these.
    `models` names what told the features.
    """
    order = generator(0, "assistant", "halves").permutation(len(examined)).tolist()
    halves = [[examined[place] for place in order[half::2]] for half in (0, 1)]
    inside, without = [], []
    for learnt, held in (halves, reversed(halves)):
        weights = weights_of(learnt)
        for candidates, right in held:
            placed = Ranking(weights, before.bar).placed(candidates)
            told = signals(placed.candidates[0], placed.scores) if placed.candidates else {}
            if right is None:
                without.append(told)
            elif placed.candidates and placed.candidates[0].entry == right:
                inside.append(told)
    if min(len(inside), len(without)) < bar.FEWEST:
        return before
    return Ranking(weights_of(examined), bar.fitted(inside, without, refuse=1.0 - outside, models=models))
