"""pass@k: how often one of k programs passes its tests (Chen et al., 2021)."""

from collections.abc import Sequence
from math import comb

import numpy as np

from danlu.evaluate.scoring.proportion import widened
from danlu.evaluate.scoring.resample import Draws, Interval, interval


def pass_at_k(written: int, passed: int, k: int) -> float:
    """The probability that k of the programs that were written, drawn without replacement, hold one that passes.

    This estimates without bias what k programs of the same model would do, as 1 - (1 - passed / written)^k does not;
    `written` is k at least.
    """
    assert 0 <= passed <= written
    assert 1 <= k <= written
    return 1 - comb(written - passed, k) / comb(written, k)


def mean_pass_at_k(written: int, passed: Sequence[int], k: int, *, resamples: int = 1000, seed: int = 0) -> Interval:
    """The mean over problems, of each of which as many programs were written, with its 95 % interval."""
    found_N = np.array([pass_at_k(written, each, k) for each in passed])
    draws = Draws(len(found_N), resamples, seed)
    samples = np.concatenate([times @ found_N for times in draws]) / len(found_N)
    return widened(interval(found_N.mean(), samples), (0.0, 1.0), len(found_N))
