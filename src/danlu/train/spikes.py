"""Loss spikes: a loss far above what was usual of late, by a deviation that outliers do not move.

The median and the median deviation from it are those of the last steps (Hampel, 1974), so that a falling loss raises no
alarm and a spike does not hide the next one.
"""

from collections.abc import Sequence
from statistics import median

WINDOW = 100  # steps that are usual
FEWEST = 20  # of them, before which nothing is
SIGMAS = 10.0  # of a normal distribution
OUTLIERS = 2.0  # times the farthest that a loss lay above the median: batches of few examples differ by much
SCALE = 0.1  # of the first losses: what a loss has to rise by that is next to nothing


def threshold(losses: Sequence[float], first: float) -> float:
    """From where a loss is a spike, by the last losses and the median of the first ones; infinite while few are."""
    if len(losses) < FEWEST:
        return float("inf")
    middle = median(losses)
    spread = 1.4826 * median(abs(loss - middle) for loss in losses)
    return middle + max(SIGMAS * spread, OUTLIERS * (max(losses) - middle), SCALE * abs(first))
