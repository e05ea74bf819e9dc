"""Accuracy: the share of examples whose answer equals the truth."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from danlu.evaluate.scoring.counting import ratio
from danlu.evaluate.scoring.metric import Floats, Metric


class Accuracy(Metric):
    """Share of examples whose answer equals the truth; for `tag`, sentences without any mistake."""

    def counts(self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str]) -> Floats:
        """(N, 2): whether it is right, and 1."""
        right = [float(true == guessed) for true, guessed in zip(gold, predicted, strict=True)]
        return np.stack([np.array(right, dtype=np.float64), np.ones(len(right))], axis=1)

    def value(self, totals: Floats) -> Floats:
        """Right ones over all of them: (..., 2) to (...)."""
        return ratio(totals[..., 0], totals[..., 1])
