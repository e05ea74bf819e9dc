"""Gradients along the line from a row of padding to the text (Sundararajan, Taly and Yan, 2017).

T tokens, E width of an embedding, S steps.
"""

import numpy as np
import torch
from pydantic import Field

from danlu.explain.asked import Asked, Floats
from danlu.explain.explainer import Attribution, Explainer, gap_of


class IntegratedGradients(Explainer):
    """Integrated gradients, from a row of padding tokens; their sum is the difference that the text makes.

    The integral is taken at Gauss-Legendre nodes, which are doubled until the sum is met.
    """

    steps: int = Field(default=16, ge=1, le=4096, description="points of the line to begin with")
    most_steps: int = Field(default=512, ge=1, le=4096, description="points of the line at most")
    tolerance: float = Field(default=0.01, gt=0, lt=1, description="gap of the sum, as a share, that is believed")

    def explain(self, asked: Asked) -> Attribution:
        """See `Explainer.explain`."""
        ends, _ = asked.slopes(torch.stack([asked.baseline, asked.embeddings]))
        difference = float(ends[1] - ends[0])
        steps = self.steps
        scores_T = self._along(asked, steps)
        while (gap := gap_of(scores_T, difference)) > self.tolerance and steps < self.most_steps:
            steps = min(2 * steps, self.most_steps)
            scores_T = self._along(asked, steps)
        facts = {"steps": steps, "difference": difference}
        return Attribution(scores_T, gap, gap > self.tolerance, facts)

    def _along(self, asked: Asked, steps: int) -> Floats:
        nodes_S, weights_S = np.polynomial.legendre.leggauss(steps)
        along_TE = asked.embeddings - asked.baseline
        shares_S = torch.from_numpy((nodes_S + 1) / 2).to(along_TE)
        total_TE = torch.zeros_like(along_TE, dtype=torch.float64)
        for start in range(0, steps, 16):  # so that not all points are held at once
            part = slice(start, start + 16)
            _, slopes_STE = asked.slopes(asked.baseline + shares_S[part, None, None] * along_TE)
            weights = torch.from_numpy(weights_S[part] / 2).to(total_TE)
            total_TE += torch.einsum("s,ste->te", weights, slopes_STE.double())
        scores: Floats = (total_TE * along_TE.double()).sum(-1).cpu().numpy()
        return scores
