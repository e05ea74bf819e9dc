"""Words as players of a game (Lundberg and Lee, 2017), neighbours in groups (Owen, 1977). W words, N coalitions."""

import numpy as np
from pydantic import Field

from danlu.explain.asked import Asked, Bools, Floats
from danlu.explain.explainer import Attribution, Explainer, gap_of
from danlu.explain.game import owen, shapley


class Shap(Explainer):
    """Shapley values of the words of a short text, Owen values of a longer one; their sum is what the text makes.

    They need answers alone, so any engine will do.
    """

    evaluations: int = Field(default=1024, ge=4, le=10**6, description="texts with hidden words that are looked at")
    exact: int = Field(
        default=8, ge=0, le=16, description="words up to which every set of them is tried (Shapley values)"
    )

    def explain(self, asked: Asked) -> Attribution:
        """See `Explainer.explain`; the tokens of a word share its score."""
        words = len(asked.words)

        def worth(there_NW: Bools) -> Floats:
            hidden_NT = np.zeros((len(there_NW), len(asked.ids_T)), np.bool_)
            for number, word in enumerate(asked.words):
                hidden_NT[:, list(word.tokens)] = ~there_NW[:, number, None]
            return asked.without(hidden_NT)

        tried = words <= self.exact
        found = shapley(worth, words) if tried else owen(worth, words, self.evaluations)
        scores_T = np.zeros(len(asked.ids_T))
        for score, word in zip(found, asked.words, strict=True):
            scores_T[list(word.tokens)] = score / len(word.tokens)
        nothing, everything = worth(np.array([[False] * words, [True] * words]))
        difference = float(everything - nothing)
        return Attribution(scores_T, gap_of(scores_T, difference), facts={"difference": difference})
