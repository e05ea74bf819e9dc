"""Whether probabilities tell how often answers are right, and what is gained by answering only where one is sure.

Shapes: N records, D decisions, B bins.
"""

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from danlu.evaluate.scoring.certainty import Certainty
from danlu.evaluate.scoring.metric import Floats
from danlu.evaluate.scoring.probable import bin_of, calibration_error, equal_mass, equal_width
from danlu.evaluate.scoring.proportion import widened
from danlu.evaluate.scoring.resample import Draws, Interval, interval
from danlu.evaluate.scoring.selective import Selective

COVERAGES = (0.5, 0.8, 0.9, 1.0)

_AT_ONCE = 2**22  # random numbers that are held at a time
_DRAWN = 2**24  # random numbers that are drawn in all


@dataclass(frozen=True)
class Bin:
    """Decisions whose probabilities are alike: how many, their mean probability, and the share that came true."""

    count: int
    sure: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """What `scores.json` holds under `calibration`.

    - `of`: "answers" of which one is right, or "labels" that are decided each by itself.
    - `by_chance`: what the error of probabilities that are perfect stays below in 95 of 100 such tests.
    """

    of: str
    decisions: int
    ece: float
    ece_equal_mass: float
    by_chance: float
    brier: Interval
    nll: Interval
    bins: list[Bin]
    coverage: dict[float, Interval]
    aurc: Interval
    curve: list[tuple[float, float]]

    def to_plain(self) -> dict[str, Any]:
        """As it stands in `scores.json`."""
        return {
            "of": self.of,
            "decisions": self.decisions,
            "ece": self.ece,
            "ece_equal_mass": self.ece_equal_mass,
            "ece_by_chance": self.by_chance,
            "brier": self.brier.to_plain(),
            "nll": self.nll.to_plain(),
            "bins": [[each.count, each.sure, each.right] for each in self.bins],
            "coverage": {f"{share:g}": found.to_plain() for share, found in self.coverage.items()},
            "aurc": self.aurc.to_plain(),
            "curve": [list(point) for point in self.curve],
        }


def calibration(certainty: Certainty, draws: Draws) -> Calibration | None:
    """What the certainty of answers says; None where not all have told their probabilities."""
    if not certainty.whole or not len(certainty):
        return None
    sure_D, right_D = certainty.sure, certainty.right
    edges = equal_width()
    selective = Selective(certainty.sure_whole, 1 - certainty.right_whole)
    drawn = [
        (
            times @ certainty.brier / times.sum(1),
            times @ certainty.regret / times.sum(1),
            *selective.area_and_accuracies(times, COVERAGES),
        )
        for times in draws
    ]
    whole = np.ones((1, len(certainty)))
    values = [
        certainty.brier.mean(),
        certainty.regret.mean(),
        *(found[0] for found in selective.area_and_accuracies(whole, COVERAGES)),
    ]
    brier, nll, aurc, *covered = (
        interval(value, np.concatenate(samples))
        for value, samples in zip(values, zip(*drawn, strict=True), strict=True)
    )
    aurc = widened(aurc, (0.0, 1.0), len(certainty))
    counts = [ceil(share * len(certainty)) for share in COVERAGES]
    covered = [widened(found, (0.0, 1.0), count) for found, count in zip(covered, counts, strict=True)]
    return Calibration(
        of="answers" if certainty.form.decides == "one" else "labels",
        decisions=len(sure_D),
        ece=_error(sure_D, right_D, edges),
        ece_equal_mass=_error(sure_D, right_D, equal_mass(sure_D)),
        by_chance=error_by_chance(sure_D, edges, draws.seed),
        brier=brier,
        nll=nll,
        bins=_bins(sure_D, right_D, edges),
        coverage=dict(zip(COVERAGES, covered, strict=True)),
        aurc=aurc,
        curve=selective.curve(),
    )


def error_by_chance(sure_D: Floats, edges: Floats, seed: int, *, draws: int | None = None) -> float:
    """What the calibration error stays below in 95 of 100 tests in which all comes true as often as it is said.

    Truths are drawn from the probabilities themselves (consistency resampling: Broecker and Smith, 2007).
    """
    rng, bin_D, bins = np.random.default_rng(seed), bin_of(sure_D, edges), len(edges) - 1
    count_B, sure_B = np.bincount(bin_D, minlength=bins), np.bincount(bin_D, sure_D, bins)
    draws = draws or int(np.clip(_DRAWN // len(sure_D), 40, 1000))
    rows = max(1, _AT_ONCE // len(sure_D))
    found = []
    for start in range(0, draws, rows):
        some = min(rows, draws - start)
        true_rD = rng.random((some, len(sure_D))) < sure_D
        place = np.broadcast_to(bin_D, true_rD.shape)[true_rD] + np.nonzero(true_rD)[0] * bins
        right_rB = np.bincount(place, minlength=some * bins).reshape(some, bins)
        both = [np.broadcast_to(each, right_rB.shape) for each in (count_B, sure_B)]
        found.append(calibration_error(np.concatenate([*both, right_rB], 1)))
    return float(np.quantile(np.concatenate(found), 0.95))


def _error(sure_D: Floats, right_D: Floats, edges: Floats) -> float:
    bin_D, bins = bin_of(sure_D, edges), len(edges) - 1
    sums = [np.bincount(bin_D, weights, bins) for weights in (np.ones(len(sure_D)), sure_D, right_D)]
    return float(calibration_error(np.concatenate(sums)))


def _bins(sure_D: Floats, right_D: Floats, edges: Floats) -> list[Bin]:
    bin_D, bins = bin_of(sure_D, edges), len(edges) - 1
    count, sure, right = (np.bincount(bin_D, each, bins) for each in (np.ones(len(sure_D)), sure_D, right_D))
    return [Bin(int(count[b]), float(sure[b] / count[b]), float(right[b] / count[b])) for b in np.flatnonzero(count)]
