"""Area under the risk-coverage curve: how well a model knows what it does not know (Geifman and El-Yaniv, 2017)."""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from danlu.evaluate.scoring.metric import Floats, Metric
from danlu.evaluate.scoring.probable import certainty_of
from danlu.evaluate.scoring.selective import Selective
from danlu.evaluate.scoring.side import Side


class Aurc(Metric):
    """Mean share of errors among the surest answers, over all numbers of them; it is no function of sums."""

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    higher_is_better: ClassVar[bool] = False
    forms: ClassVar[tuple[str, ...]] = ("label", "labels", "choice")
    needs_scores: ClassVar[bool] = True

    def prepared(self, side: Side) -> Selective:
        """The answers, the surest first."""
        certainty = certainty_of(side)
        return Selective(certainty.sure_whole, 1 - certainty.right_whole)

    def drawn(self, prepared: Selective, draws: Iterable[Floats]) -> Floats:
        """The area of each draw, (R,)."""
        return np.concatenate([prepared.area(times) for times in draws])
