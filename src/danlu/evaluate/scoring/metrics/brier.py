"""Brier score: the squared distance of probabilities and truth (Brier, 1950)."""

from typing import ClassVar

import numpy as np

from danlu.evaluate.scoring.certainty import Certainty
from danlu.evaluate.scoring.metric import Floats
from danlu.evaluate.scoring.probable import MeanOfRecords


class Brier(MeanOfRecords):
    """Mean squared distance; summed over answers of which one is right, the mean over labels decided by themselves."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 2.0)

    def of_certainty(self, certainty: Certainty) -> Floats:
        """(N, 2): the distance, and 1."""
        return np.stack([certainty.brier, np.ones(len(certainty))], 1)
