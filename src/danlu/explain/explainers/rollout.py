"""Attention multiplied through all layers, with what goes past it (Abnar and Zuidema, 2020). L layers, T tokens."""

from typing import ClassVar

import numpy as np

from danlu.explain.asked import Asked
from danlu.explain.explainer import Attribution, Explainer, kernel_gap


class Rollout(Explainer):
    """How much of each token reaches where the answer is read, if half of a layer is attention and half goes past."""

    signed: ClassVar[bool] = False

    def explain(self, asked: Asked) -> Attribution:
        """See `Explainer.explain`."""
        attention_LHTT = asked.inside.attention(asked.aim.item).double().cpu().numpy()
        reached_TT = np.eye(len(asked.ids_T))
        for layer_HTT in attention_LHTT:
            reached_TT = (layer_HTT.mean(0) + np.eye(len(reached_TT))) / 2 @ reached_TT
        facts = {"kernel": kernel_gap(asked)}
        return Attribution(asked.read_from() @ reached_TT, facts=facts, attention=attention_LHTT.astype(np.float32))
