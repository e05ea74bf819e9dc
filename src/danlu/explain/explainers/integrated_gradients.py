"""Gradients along the line from a row of padding to the text (Sundararajan, Taly and Yan, 2017).

T tokens, D width of a layer, P points of the line.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from pydantic import Field

from danlu.explain.asked import Asked, Floats
from danlu.explain.explainer import Attribution, Explainer, gap_of

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)


@dataclass(frozen=True, eq=False)
class _Part:
    """A part of the line: where it begins and ends, the scores that are gathered there, (T,), and what they miss."""

    start: float
    end: float
    scores: Floats
    missed: float


class IntegratedGradients(Explainer):
    """Integrated gradients, from a row of padding tokens; their sum is the difference that the text makes.

    What a part of the line should sum to is known, the difference of its ends; so parts that miss theirs are halved
    until all together miss no more than `tolerance`, each with four Gauss-Legendre points.
    """

    steps: int = Field(default=16, ge=1, le=4096, description="points of the line to begin with")
    most_steps: int = Field(default=512, ge=1, le=4096, description="points of the line at most")
    tolerance: float = Field(default=0.01, gt=0, lt=1, description="gap of the sum, as a share, that is believed")

    def explain(self, asked: Asked) -> Attribution:
        """See `Explainer.explain`."""
        borders = np.linspace(0, 1, max(1, self.steps // len(_NODES)) + 1)
        ends = asked.slopes(torch.stack([asked.baseline, asked.read]))[0]
        difference = float(ends[1] - ends[0])
        parts = _parts(asked, list(pairwise(borders)))
        steps = len(parts) * len(_NODES)
        while True:
            allowed = self.tolerance * abs(difference)
            missed = sum(abs(part.missed) for part in parts)
            wrong = [part for part in parts if abs(part.missed) > allowed / (2 * len(parts))]
            room = (self.most_steps - steps) // len(_NODES)  # a half goes where the whole was, another is new
            if missed <= allowed or not wrong or room < 1:
                break
            worst = sorted(wrong, key=lambda part: -abs(part.missed))[:room]
            halves = [(part.start + part.end) / 2 for part in worst]
            spans = [(p.start, m) for p, m in zip(worst, halves, strict=True)]
            spans += [(m, p.end) for p, m in zip(worst, halves, strict=True)]
            parts = [part for part in parts if part not in worst] + _parts(asked, spans)
            steps = len(parts) * len(_NODES)
        scores_T: Floats = np.sum([part.scores for part in parts], axis=0)
        gap = gap_of(scores_T, difference)
        facts = {"steps": steps, "difference": difference}
        return Attribution(scores_T, gap, gap > self.tolerance, facts)


def _parts(asked: Asked, spans: list[tuple[float, float]]) -> list[_Part]:
    """Parts of the line with what is gathered in each."""
    along_TD = asked.read - asked.baseline
    starts, ends = np.array(spans).T
    inside = starts[:, None] + (ends - starts)[:, None] * (_NODES + 1) / 2
    shares_P = np.concatenate([inside.ravel(), starts, ends])
    points_PTD = asked.baseline + torch.from_numpy(shares_P).to(along_TD)[:, None, None] * along_TD
    values_P, slopes_PTD = asked.slopes(points_PTD)
    slopes_PT = (slopes_PTD.double() * along_TD.double()).sum(-1).cpu().numpy()
    count = inside.size
    by_part = slopes_PT[:count].reshape(len(spans), len(_NODES), -1)
    scores = (by_part * (_WEIGHTS / 2)[:, None]).sum(1) * (ends - starts)[:, None]
    differences = values_P[count + len(spans) :] - values_P[count : count + len(spans)]
    return [
        _Part(start, end, scores_T, float(scores_T.sum() - difference))
        for (start, end), scores_T, difference in zip(spans, scores, differences, strict=True)
    ]
