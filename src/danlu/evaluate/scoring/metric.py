"""The promise of a metric: a number made of sums over examples, so that it can be streamed and resampled."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from danlu.recipe.part import Part

Floats = NDArray[np.float64]


class Metric(Part):
    """A measure of quality.

    Shapes: N examples, K counts an example (such as true positives of each label), any leading `...`.
    """

    folder: ClassVar[str] = "danlu.evaluate.scoring.metrics"

    higher_is_better: ClassVar[bool] = True

    @abstractmethod
    def counts(self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str]) -> Floats:
        """Counts of each example, of shape (N, K), whose sums are all the metric needs.

        `gold` and `predicted` are what the task's `gold` and `answer` give: a label for `classify`, a set of
        `(start, end, label)` for `tag`, `(negative_log_likelihood, tokens)` for language models.
        """

    @abstractmethod
    def value(self, totals: Floats) -> Floats:
        """The metric from summed counts: (..., K) to (...); vectorised, so that 1000 resamples cost little.

        NaN where the counts hold nothing to measure, such as no entity at all.
        """

    def by_label(self, totals: Floats, labels: Sequence[str]) -> dict[str, float]:
        """The metric of each label on its own, where that means something: (K,) to a value a label.

        A label that stands neither in the truth nor in the answers has none.
        """
        return {}
