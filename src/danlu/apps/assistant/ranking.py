"""Which candidate is the best answer, how probably it is right, and from when on it is given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np

from danlu.apps.assistant.matching import FEATURES, Candidate
from danlu.apps.grounded import bar
from danlu.apps.grounded.bar import Bar
from danlu.machine.seed import generator

OUTSIDE = 0.05
"""Share of the questions that nothing here answers, of which so many may get an answer all the same."""
FIRST_WEIGHTS = {
    "asked": 3.0, "words": 0.5, "covered": 0.5, "reply": 0.3, "vector": 2.0, "near": 1.5, "rank": 0.0
}  # fmt: skip
FIRST_BAR = Bar({"asked": 4.0, "covered": 2.0, "vector": 2.0, "margin": 1.0}, -5.0, 0.0)
"""The same of how sure it must be."""
LEAST = 20
"""Questions that are learnt from; with fewer the first weights stay."""

HOLD = 30.0
"""Questions that weigh as much as what is believed before any was asked."""
MADE = 0.1
"""What a question that was made counts beside one whose answer a person has told."""
NEAREST = 10
"""Other answers that the right one is to stand before."""

Measured = Sequence[Candidate]


class Examined(NamedTuple):
    """The candidates of a question, and the entry that is right; None: no answer here is.

    - `weight`: how much it counts for the order.
    """

    candidates: Measured
    right: str | None
    weight: float = 1.0


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
    """Weights, none below 0, by which right answers stand before others (multinomial logit; McFadden, 1974).

    They are held near the first ones, as much as `HOLD` questions do, for made questions are not those of customers.
    """
    from scipy.optimize import minimize

    first = np.array([FIRST_WEIGHTS[name] for name in FEATURES])
    rows_QCF, weights_Q = _stacked(examined, first)
    if not len(weights_Q):
        return dict(FIRST_WEIGHTS)

    def loss(given_F: np.ndarray) -> tuple[float, np.ndarray]:
        scores_QC = rows_QCF @ given_F
        shifted_QC = scores_QC - scores_QC.max(1, keepdims=True)
        shares_QC = np.exp(shifted_QC)
        shares_QC /= shares_QC.sum(1, keepdims=True)
        value = float(weights_Q @ -np.log(np.maximum(shares_QC[:, 0], 1e-12)))
        pull_F = ((shares_QC[:, :, None] * rows_QCF).sum(1) - rows_QCF[:, 0]).T @ weights_Q
        away_F = given_F - first
        return value + HOLD / 2 * float(away_F @ away_F), pull_F + HOLD * away_F

    found = minimize(loss, first, jac=True, bounds=[(0.0, None)] * len(first), method="L-BFGS-B").x
    return {name: float(value) for name, value in zip(FEATURES, found, strict=True)}


def _stacked(examined: Sequence[Examined], first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features of the right candidate and of the nearest others, (Q, C, F), where few, repeated; and weights, (Q,)."""
    rows, weights = [], []
    for candidates, right, weight in examined:
        best = next((each for each in candidates if each.entry == right), None)
        values = [[each.features[name] for name in FEATURES] for each in candidates if each.entry != right]
        if best is None or not values:
            continue
        values.sort(key=lambda row: -float(np.dot(first, row)))
        others = (values * NEAREST)[:NEAREST] if len(values) < NEAREST else values[:NEAREST]
        rows.append([[best.features[name] for name in FEATURES], *others])
        weights.append(weight)
    return np.array(rows, float), np.array(weights, float)


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
        for candidates, right, _ in held:
            placed = Ranking(weights, before.bar).placed(candidates)
            told = signals(placed.candidates[0], placed.scores) if placed.candidates else {}
            if right is None:
                without.append(told)
            elif placed.candidates and placed.candidates[0].entry == right:
                inside.append(told)
    if min(len(inside), len(without)) < bar.FEWEST:
        return before
    return Ranking(weights_of(examined), bar.fitted(inside, without, refuse=1.0 - outside, models=models).bar)
