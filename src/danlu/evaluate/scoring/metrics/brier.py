"""Brier score: the squared distance of probabilities and truth (Brier, 1950)."""

import numpy as np

from danlu.evaluate.scoring.certainty import Certainty
from danlu.evaluate.scoring.metric import Floats
from danlu.evaluate.scoring.probable import MeanOfRecords


class Brier(MeanOfRecords):
    """Mean squared distance; summed over answers of which one is right, the mean over labels decided by themselves."""

    def of_certainty(self, certainty: Certainty) -> Floats:
        """(N, 2): the distance, and 1."""
        return np.stack([certainty.brier, np.ones(len(certainty))], 1)
