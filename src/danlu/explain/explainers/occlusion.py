"""What changes where a word is hidden (Zeiler and Fergus, 2014; Li, Monroe and Jurafsky, 2016). T tokens."""

from typing import Literal

import numpy as np
from pydantic import Field

from danlu.explain.asked import Asked
from danlu.explain.explainer import Attribution, Explainer, gap_of


class Occlusion(Explainer):
    """The number less what it is without a word, or a token; needs answers alone, so any engine will do."""

    unit: Literal["word", "token"] = Field(default="word", description="what is hidden at a time")

    def explain(self, asked: Asked) -> Attribution:
        """See `Explainer.explain`; the tokens of a word share its score. The gap tells how words need each other."""
        groups = [word.tokens for word in asked.words]
        if self.unit == "token":
            groups = [(place,) for group in groups for place in group]
        hidden_NT = np.zeros((len(groups) + 1, len(asked.ids_T)), np.bool_)
        for number, group in enumerate(groups):
            hidden_NT[number, list(group)] = True
        hidden_NT[-1] = True
        found = asked.value - asked.without(hidden_NT)
        scores_T = np.zeros(len(asked.ids_T))
        for score, group in zip(found[:-1], groups, strict=True):
            scores_T[list(group)] = score / len(group)
        difference = float(found[-1])
        return Attribution(scores_T, gap_of(scores_T, difference), facts={"difference": difference})
