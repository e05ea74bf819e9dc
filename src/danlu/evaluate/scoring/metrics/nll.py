"""Negative log-likelihood of the truth (Good, 1952)."""

import numpy as np

from danlu.evaluate.scoring.certainty import Certainty
from danlu.evaluate.scoring.metric import Floats
from danlu.evaluate.scoring.probable import MeanOfRecords


class Nll(MeanOfRecords):
    """Mean of -ln of the probability of the truth (nats); 28 of a truth that was held to be impossible."""

    def of_certainty(self, certainty: Certainty) -> Floats:
        """(N, 2): the regret, and 1."""
        return np.stack([certainty.regret, np.ones(len(certainty))], 1)
