"""Sums of log-likelihood ratios that tell a change of a share, for many streams of counts at once.

The binomial CUSUM (Page, "Continuous inspection schemes", 1954; Reynolds and Stoumbos, "A CUSUM chart for monitoring a
proportion when inspecting continuously", 1999): of `k` negative texts among `n`, the likelihood if the odds of a
negative one have changed, divided by that if they have not; its logarithms are summed, and never below nought. The
level is learnt on the way (Hawkins, "Self-starting CUSUM charts for location and scale", 1987): all texts so far, but
for those since the sum has left nought, which may already be of another level. As a level that is a little wrong would
hold back ever more texts, those are at most a share of all.

R streams; two directions, the first up, the second down.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HELD_BACK = 1 / 3
"""Share of all texts that may be held back; of 0, 1/4 and 1/2 more gives later alerts, less misses early changes."""


def shifted(share: Floats, odds: float) -> Floats:
    """The share whose odds are so many times those of another."""
    new = share / (1 - share) * odds
    return new / (1 + new)


def log_ratio(negatives: Floats, texts: Floats, before: Floats, odds: float) -> Floats:
    """How much likelier counts are where the odds are so many times as high: the logarithm of the ratio.

    k log(q / p) + (n - k) log((1 - q) / (1 - p)) with q = `shifted(p, odds)`, written with one logarithm.
    """
    ratio: Floats = negatives * math.log(odds) - texts * np.log1p((odds - 1) * before)
    return ratio


@dataclass
class Levels:
    """R streams that are watched.

    - `negatives`, `texts`: what the level is learnt from, (R,).
    - `sums`: of log-likelihood ratios, (2, R).
    - `run_negatives`, `run_texts`: texts since a sum has left nought, (2, R).
    """

    negatives: Floats
    texts: Floats
    sums: Floats
    run_negatives: Floats
    run_texts: Floats

    @classmethod
    def of(cls, negatives: Floats, texts: Floats) -> "Levels":
        """Streams whose level is known from so many texts."""
        nought = np.zeros((2, len(texts)))
        return cls(negatives.astype(float), texts.astype(float), nought, nought.copy(), nought.copy())

    def shares(self) -> Floats:
        """The level of each stream, for each direction without the texts that are held back, (2, R)."""
        found: Floats = (self.negatives - self.run_negatives + 0.5) / (self.texts - self.run_texts + 1)
        return found

    def step(self, negatives: Floats, texts: Floats, odds: float, memory: float) -> None:
        """Take the counts of one step, (R,) each."""
        before = self.shares()
        for row, factor in enumerate((odds, 1 / odds)):
            self.sums[row] = np.maximum(0.0, self.sums[row] + log_ratio(negatives, texts, before[row], factor))
        going = self.sums > 0
        self.run_negatives = np.where(going, self.run_negatives + negatives, 0.0)
        self.run_texts = np.where(going, self.run_texts + texts, 0.0)
        self.negatives, self.texts = self.negatives + negatives, self.texts + texts
        kept = np.minimum(1.0, memory / np.maximum(self.texts, 1.0))
        self.negatives, self.texts = self.negatives * kept, self.texts * kept
        kept = np.minimum(1.0, HELD_BACK * self.texts / np.maximum(self.run_texts, 1.0))
        self.run_negatives, self.run_texts = self.run_negatives * kept, self.run_texts * kept
