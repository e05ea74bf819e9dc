"""Perplexity: exp of the mean negative log-likelihood a token (Jelinek et al. 1977)."""

from typing import ClassVar

import numpy as np

from danlu.evaluate.scoring.metric import Floats, SumMetric
from danlu.evaluate.scoring.side import Side
from danlu.refusal import Refusal


class Perplexity(SumMetric):
    """Exp of the negative log-likelihood (nats) a predicted token; sums run over tokens, not over texts."""

    higher_is_better: ClassVar[bool] = False
    forms: ClassVar[tuple[str, ...]] = ("likelihood",)

    def counts(self, side: Side) -> Floats:
        """(N, 2): negative log-likelihood and tokens, as the model's answers say them."""
        counts = np.array([[float(nll), float(tokens)] for nll, tokens in side.values]).reshape(-1, 2)
        if counts[:, 1].sum() == 0:
            raise Refusal("Perplexity needs a token to predict, and these records hold none; give longer texts.")
        return counts

    def value(self, totals: Floats) -> Floats:
        """Exp of the mean: (..., 2) to (...); NaN without tokens."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.exp(totals[..., 0] / totals[..., 1])
