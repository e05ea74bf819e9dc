"""What all metrics of probabilities have in common: the certainty of the answers, from the scores of a side.

Shapes: N records, D decisions, B bins.
"""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from danlu.evaluate.scoring.certainty import Certainty
from danlu.evaluate.scoring.metric import Counts, Floats, SumMetric
from danlu.evaluate.scoring.side import Side
from danlu.refusal import Refusal

BINS = 15
"""As Guo et al. (2017) have it."""


def certainty_of(side: Side) -> Certainty:
    """The certainty of answers whose scores were kept.

    Raises `Refusal` where these are no probabilities.
    """
    assert side.scores is not None
    found = Certainty(side.form, side.labels)
    for truth, value, shares in zip(side.gold, side.values, side.scores.rows(), strict=True):
        found.take(truth, value, shares)
    if not found.whole:
        raise Refusal(
            "These answers hold no probabilities, or too many to be kept, so how well they are calibrated cannot be "
            "told; leave the metric out."
        )
    return found


def equal_width(bins: int = BINS) -> Floats:
    """Edges (B + 1) of bins that are equally wide, from 0 to 1."""
    edges: Floats = np.linspace(0.0, 1.0, bins + 1)
    return edges


def equal_mass(sure_D: Floats, bins: int = BINS) -> Floats:
    """Edges (B + 1) of bins that hold equally many decisions, as far as equal probabilities allow."""
    inner = np.unique(np.quantile(sure_D, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
    return np.concatenate([[0.0], inner[(inner > 0) & (inner < 1)], [1.0]])


def bin_of(sure_D: Floats, edges: Floats) -> NDArray[np.int64]:
    """The bin of each decision: above its lower edge, up to its upper one."""
    return np.searchsorted(edges[1:-1], sure_D, side="left")


def calibration_error(totals: Floats) -> Floats:
    """From sums (..., 3B) of decisions, probabilities and those that came true in each bin: (...)."""
    count, sure, right = np.split(totals, 3, axis=-1)
    with np.errstate(invalid="ignore"):
        found: Floats = np.abs(sure - right).sum(-1) / count.sum(-1)
    return found


class ProbableMetric(SumMetric):
    """A metric of the probabilities of answers."""

    higher_is_better: ClassVar[bool] = False
    forms: ClassVar[tuple[str, ...]] = ("label", "labels", "choice")
    needs_scores: ClassVar[bool] = True

    @abstractmethod
    def of_certainty(self, certainty: Certainty) -> Counts:
        """The counts (N, K), from how sure the answers were."""

    def counts(self, side: Side) -> Counts:
        """See `of_certainty`."""
        return self.of_certainty(certainty_of(side))


class MeanOfRecords(ProbableMetric):
    """The mean of a number of each record."""

    def value(self, totals: Floats) -> Floats:
        """The mean: (..., 2) to (...)."""
        mean: Floats = totals[..., 0] / totals[..., 1]
        return mean


class CalibrationError(ProbableMetric):
    """By how much probabilities miss the share that comes true, in bins, weighted by how many each holds.

    It can only grow by chance, so a draw's is higher than that of all records, and so is its interval.
    """

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    @abstractmethod
    def edges(self, sure_D: Floats) -> Floats:
        """Edges (B + 1) of the bins."""

    def of_certainty(self, certainty: Certainty) -> csr_array:
        """(N, 3B): decisions, their probabilities, and those that came true, by bin."""
        sure_D, record_D = certainty.sure, certainty.record
        edges = self.edges(sure_D)
        bins, bin_D = len(edges) - 1, bin_of(sure_D, edges)
        data = np.concatenate([np.ones(len(sure_D)), sure_D, certainty.right])
        columns = np.concatenate([bin_D, bin_D + bins, bin_D + 2 * bins])
        return csr_array((data, (np.tile(record_D, 3), columns)), shape=(len(certainty), 3 * bins))

    def value(self, totals: Floats) -> Floats:
        """See `calibration_error`."""
        return calibration_error(totals)
