"""The gradient at the text times what is read there (Shrikumar, Greenside and Kundaje, 2016). T tokens, D width."""

import torch

from danlu.explain.asked import Asked, Floats
from danlu.explain.explainer import Attribution, Explainer, gap_of


class GradientInput(Explainer):
    """Gradient times input, less that of padding: one pass, and right where the network is nearly linear."""

    def explain(self, asked: Asked) -> Attribution:
        """See `Explainer.explain`; the gap tells how far from linear the network is here."""
        ends, slopes_2TD = asked.slopes(torch.stack([asked.baseline, asked.read]))
        along_TD = (asked.read - asked.baseline).double()
        scores: Floats = (slopes_2TD[1].double() * along_TD).sum(-1).cpu().numpy()
        difference = float(ends[1] - ends[0])
        return Attribution(scores, gap_of(scores, difference), facts={"difference": difference})
