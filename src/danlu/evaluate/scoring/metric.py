"""The promise of a metric: a number of many answers, which can be computed again of any draw of the examples."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from danlu.evaluate.scoring.side import Side
from danlu.recipe.part import Part, find, kinds, nearest
from danlu.refusal import Refusal

Floats = NDArray[np.float64]
Counts = Any
"""(N, K) as an array, or as scipy's `csr_array` where most of it is 0."""


class Metric(Part):
    """A measure of quality.

    Shapes: N examples, R draws of as many with replacement. A draw is told by how often each example is in it;
    draws come some at a time, (r, N) each, so that memory does not grow with R.
    """

    folder: ClassVar[str] = "danlu.evaluate.scoring.metrics"

    higher_is_better: ClassVar[bool] = True

    best: ClassVar[float | None] = None
    """The value that is best where it lies between others, so that neither more nor less is always better."""

    bounds: ClassVar[tuple[float, float] | None] = None
    """Its least and its largest value, where it has both: of equal examples the draws alone tell no interval."""

    forms: ClassVar[tuple[str, ...]] = ()
    """The forms of answers that it measures; empty: all."""

    needs_scores: ClassVar[bool] = False
    """Whether it looks at the score of each label (`Side.scores`), not at the answer alone."""

    @abstractmethod
    def prepared(self, side: Side) -> Any:
        """What it needs of the answers, worked out once.

        Raises `Refusal` for what cannot be measured, such as a label that the model does not know.
        """

    @abstractmethod
    def drawn(self, prepared: Any, draws: Iterable[Floats]) -> Floats:
        """The metric of each draw, (R,); NaN where a draw holds nothing to measure, such as no entity at all."""

    def measured(self, prepared: Any, examples: int) -> float:
        """The metric of all examples as they are."""
        return float(self.drawn(prepared, [np.ones((1, examples))])[0])

    def by_label(self, prepared: Any, side: Side) -> dict[str, float]:
        """The metric of each label on its own, where that means something.

        A label that stands neither in the truth nor in the answers has none.
        """
        return {}

    def definition(self, side: Side) -> str:
        """What stands beside the score where its name leaves that open, such as a unit or a tokenizer."""
        return ""


class SumMetric(Metric):
    """A metric that is a function of sums over the examples: nearly every one is.

    Shapes: K counts an example (such as true positives of each label), any leading `...`.
    """

    counts_alike: ClassVar[bool] = True
    """Whether the counts of two sides mean the same, so that those of an example may be swapped."""

    @abstractmethod
    def counts(self, side: Side) -> Counts:
        """Counts of each example, (N, K), whose sums are all that the metric needs; sparse where K may be large."""

    @abstractmethod
    def value(self, totals: Floats) -> Floats:
        """The metric from summed counts: (..., K) to (...)."""

    def prepared(self, side: Side) -> Counts:
        """The counts."""
        return self.counts(side)

    def drawn(self, prepared: Counts, draws: Iterable[Floats]) -> Floats:
        """The metric of the sums of each draw."""
        return np.concatenate([self.value(np.ascontiguousarray(times @ prepared)) for times in draws])

    def measured(self, prepared: Counts, examples: int) -> float:
        """The metric of the sums."""
        return float(self.value(prepared.sum(0)))


class MeanMetric(SumMetric):
    """A metric that is the mean of a number that each example has."""

    @abstractmethod
    def of_each(self, side: Side) -> Iterable[float]:
        """The number of each example."""

    def counts(self, side: Side) -> Floats:
        """(N, 2): the number, and 1."""
        found = np.array(list(self.of_each(side)), np.float64)
        return np.stack([found, np.ones(len(found))], axis=1)

    def value(self, totals: Floats) -> Floats:
        """The mean: (..., 2) to (...)."""
        mean: Floats = totals[..., 0] / totals[..., 1]
        return mean


def measures(names: Sequence[str], form: str) -> dict[str, Metric]:
    """The metrics of some names, each once.

    Raises `Refusal` for one that is not there, and for one that does not measure answers of this form.
    """
    found: dict[str, Metric] = {}
    for name in dict.fromkeys(names):
        if unknown := unknown_metric(name):
            raise Refusal(f"{unknown}.")
        metric = find(Metric, name)()  # type: ignore[type-abstract]
        if metric.forms and form not in metric.forms:
            raise Refusal(
                f"The metric '{name}' measures answers of the form {' or '.join(metric.forms)}, and these are of the "
                f"form {form}; leave it out."
            )
        found[name] = metric
    return found


def unknown_metric(name: str) -> str | None:
    """A sentence for a metric that is not there, with the nearest that is; None where it is."""
    known = kinds(Metric)
    return (
        None if name in known else f"there is no metric '{name}'{nearest(name, known)}; there are: {', '.join(known)}"
    )
