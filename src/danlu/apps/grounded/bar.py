"""How sure an answer has to be: fitted so that a stated share of the questions outside of a corpus is refused.

Signals become one number by a logistic regression (Platt, 2000). The threshold is the quantile of the outside
questions that split conformal prediction takes (Vovk et al., 2005): of new questions like these at least the stated
share is refused, on average over what might have been drawn. Rates are told of questions that had no part in the
weights and the threshold by which they were judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil, exp, floor, inf, nextafter
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from danlu.apps.grounded.signals import Signals
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.evaluate.scoring.resample import Interval

Floats = NDArray[np.float64]

FOLDS = 5
FEWEST = 20
"""Questions of either kind."""
HOLD = 1e-3
"""Weight of the squared weights beside the mean loss."""
STEPS, LARGEST = 50, 2.0
"""Of Newton's method, and how far one goes at most."""


@dataclass(frozen=True)
class Bar:
    """When an answer is given: where the weighted signals reach `least`.

    - `weights`: of the signals; one that is not there counts 0. `bias` is added.
    - `models`: by which models the signals came about that this was fitted on; None: by words alone.
    - `rates`: what was measured when it was fitted.
    """

    weights: dict[str, float]
    bias: float
    least: float
    models: str | None = None
    rates: dict[str, Any] = field(default_factory=dict)

    def sure(self, signals: Signals) -> float:
        """How probably the passages answer, 0 to 1, as the fit saw as many inside as outside."""
        return _logistic(self._sum(signals))

    def passes(self, signals: Signals) -> bool:
        """Whether an answer is given."""
        return self._sum(signals) >= self.least

    def _sum(self, signals: Signals) -> float:
        return self.bias + sum(weight * signals.get(name, 0.0) for name, weight in self.weights.items())

    def to_plain(self) -> dict[str, Any]:
        """As it is kept in JSON."""
        return asdict(self)

    @classmethod
    def from_plain(cls, told: Mapping[str, Any], where: str) -> Self:
        """What `to_plain` gave. Raises `Refusal`, naming `where` it stands, for anything else."""
        try:
            weights = {str(name): float(value) for name, value in told["weights"].items()}
            return cls(weights, float(told["bias"]), float(told["least"]), told["models"], dict(told["rates"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Refusal(f"{where}: holds no threshold; remove it, or fit one again") from None


PLAIN = Bar({"passage": 2.5, "sentence": 2.3, "lead": 9.5}, bias=-3.25, least=-0.2)
"""Where nothing was fitted: by words alone, from 2,000 questions of CMRC 2018 and XQuAD, half of them with the document
that answers left out (November 2026). Of other questions of theirs it answers 86 to 87 % and refuses 86 to 93 %."""


@dataclass(frozen=True)
class Rates:
    """What became of the questions when it was others that had set the threshold."""

    answered: "Interval"
    refused: "Interval"
    inside: int
    outside: int

    def to_plain(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "answered": self.answered.to_plain(),
            "refused": self.refused.to_plain(),
            "inside": self.inside,
            "outside": self.outside,
        }


class Fitted(NamedTuple):
    """A bar; `answered` tells of each question inside whether it was answered when others had set the bar."""

    bar: Bar
    answered: list[bool]


def fitted(
    inside: Sequence[Signals],
    outside: Sequence[Signals],
    *,
    refuse: float | None = None,
    answer: float | None = None,
    models: str | None = None,
    seed: int = 0,
) -> Fitted:
    """The bar that refuses the share `refuse` of what is outside, or answers the share `answer` of what is inside.

    Raises:
        Refusal: there are too few questions, or both shares are given or neither.
    """
    if (refuse is None) == (answer is None):
        raise Refusal("give either the share that is to be refused or the share that is to be answered")
    share = refuse if refuse is not None else answer
    if share is None or not 0 < share < 1:
        raise Refusal(f"the share {share}: expected a number between 0 and 1, such as 0.95")
    for name, questions in (("inside", inside), ("outside", outside)):
        if len(questions) < FEWEST:
            raise Refusal(f"{len(questions)} questions {name}: at least {FEWEST} are needed; give more")
    if refuse is not None and ceil((len(outside) + 1) * refuse) > len(outside):
        most = ceil(refuse / (1 - refuse) - 1e-9)
        raise Refusal(
            f"to refuse {refuse:.0%}, at least {most} questions outside are needed; give more, or refuse less"
        )
    names = sorted({name for each in (*inside, *outside) for name in each})
    values = np.array([[each.get(name, 0.0) for name in names] for each in (*inside, *outside)])
    truth = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
    folds = _folds(truth, seed)
    sums = np.empty(len(truth))
    for fold in range(FOLDS):
        weights, bias = _regression(values[folds != fold], truth[folds != fold])
        sums[folds == fold] = values[folds == fold] @ weights + bias
    passed = np.empty(len(truth), bool)
    for fold in range(FOLDS):
        least = _least(sums[folds != fold], truth[folds != fold], refuse, answer)
        passed[folds == fold] = sums[folds == fold] >= least
    from danlu.evaluate.scoring.proportion import share_of

    answered, refused = int(passed[truth == 1].sum()), int((~passed[truth == 0]).sum())
    rates = Rates(share_of(answered, len(inside)), share_of(refused, len(outside)), len(inside), len(outside))
    weights, bias = _regression(values, truth)
    least = _least(sums, truth, refuse, answer)
    named = {name: float(weight) for name, weight in zip(names, weights, strict=True)}
    return Fitted(Bar(named, float(bias), float(least), models, rates.to_plain()), passed[truth == 1].tolist())


def _folds(truth: Floats, seed: int) -> Floats:
    """The fold of each question, (N,), as many of either kind in each."""
    folds = np.empty(len(truth), int)
    rng = np.random.default_rng(seed)
    for kind in (0, 1):
        places = np.flatnonzero(truth == kind)
        folds[rng.permutation(places)] = np.arange(len(places)) % FOLDS
    return folds


def _regression(values: Floats, truth: Floats) -> tuple[Floats, float]:
    """Weights and bias, both kinds weighing alike, no weight below 0: more of a signal never makes less sure."""
    middle, spread = values.mean(0), values.std(0) + 1e-9
    scaled = (values - middle) / spread
    each = np.where(truth == 1, 0.5 / (truth == 1).sum(), 0.5 / (truth == 0).sum())
    kept = np.arange(values.shape[1])
    while True:
        found = _newton(np.c_[scaled[:, kept], np.ones(len(truth))], truth, each)
        if (found[:-1] >= 0).all():
            break
        kept = kept[found[:-1] >= 0]
    weights = np.zeros(values.shape[1])
    weights[kept] = found[:-1] / spread[kept]
    return weights, float(found[-1] - weights @ middle)


def _newton(rows: Floats, truth: Floats, each: Floats) -> Floats:
    """The weights that make the truth likeliest, all but the last held near 0; `each` is how much a row counts."""
    pull = np.full(rows.shape[1], HOLD)
    pull[-1] = 0.0
    found = np.zeros(rows.shape[1])
    for _ in range(STEPS):
        share = 1 / (1 + np.exp(-np.clip(rows @ found, -30, 30)))
        slope = rows.T @ (each * (truth - share)) - pull * found
        curve = (rows * (each * share * (1 - share))[:, None]).T @ rows + np.diag(pull + 1e-12)
        step = np.linalg.solve(curve, slope)
        found += step * min(1.0, LARGEST / (np.abs(step).max() + 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return found


def _least(sums: Floats, truth: Floats, refuse: float | None, answer: float | None) -> float:
    """The sum from which questions are answered."""
    if refuse is not None:
        outside = np.sort(sums[truth == 0])
        rank = min(ceil((len(outside) + 1) * refuse), len(outside))
        return nextafter(float(outside[rank - 1]), inf)
    assert answer is not None
    inside = np.sort(sums[truth == 1])
    rank = floor((len(inside) + 1) * (1 - answer))
    return float(inside[max(rank, 1) - 1])


def _logistic(value: float) -> float:
    return 1 / (1 + exp(-min(max(value, -500.0), 500.0)))
