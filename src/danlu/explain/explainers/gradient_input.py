"""The gradient at the text times what is read there (Shrikumar, Greenside and Kundaje, 2016). T tokens, D width."""

import torch
from pydantic import Field

from danlu.explain.asked import Asked, Floats
from danlu.explain.explainer import Attribution, Explainer, gap_of


class GradientInput(Explainer):
    """Gradient times input, less that of padding: one pass, and right where the network is nearly linear.

    One that is sure of itself is flat where it is, and its gradient says little: of a planted word that decides, this
    ranked first 20 of 20 at log-odds of 1.2, 9 at 2.3, and none at 4 (2026-11).
    """

    tolerance: float = Field(default=0.5, gt=0, description="gap of the sum, as a share, that is believed")

    def explain(self, asked: Asked) -> Attribution:
        """See `Explainer.explain`; the gap tells how far from linear the network is here."""
        ends, slopes_2TD = asked.slopes(torch.stack([asked.baseline, asked.read]))
        along_TD = (asked.read - asked.baseline).double()
        scores: Floats = (slopes_2TD[1].double() * along_TD).sum(-1).cpu().numpy()
        difference = float(ends[1] - ends[0])
        gap = gap_of(scores, difference)
        return Attribution(scores, gap, gap > self.tolerance, {"difference": difference})
