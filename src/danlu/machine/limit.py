"""How fast this machine could be while something is computed on it: square products, measured in between."""

import time
from functools import cache
from statistics import median

import torch

from danlu.machine.device import measured_rate

SHARE = 0.004  # of the time of what is computed, at most, that measurements take
FEWEST = 3  # measurements that are made in any case, a line of the log apart
SECONDS = 0.03  # that the products of one measurement take, of which the quickest counts


class Limit:
    """Floating-point operations a second of square products, in one process and number format.

    A single measurement is worth little: beside other programs 45 of them found 18 to 75 GFLOP/s, and the quietest of
    each 15 found 71, 75 and 70 (2 cores, float32, 2026-11). Another program takes time from a measurement and never
    gives any, so the quietest is nearest to the truth, and how far the median lies below it says what it is worth.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        """Of products in `dtype`; nothing is measured yet."""
        self.dtype = dtype
        self._rates: list[float] = []
        self._computed = self._spent = self._reached = 0.0

    def beside(self, seconds: float, operations: float) -> None:
        """Something has computed for `seconds`, at so many operations a second; measure where it is time to.

        What was reached is possible, whatever is measured.
        """
        self._computed += seconds
        a_time = self._spent / max(1, len(self._rates))
        if len(self._rates) < FEWEST or self._spent + a_time <= SHARE * self._computed:
            begun = time.perf_counter()
            self._rates.append(measured_rate(self.dtype, SECONDS))
            self._spent += time.perf_counter() - begun
        self._reached = max(self._reached, operations)

    @property
    def best(self) -> float:
        """The quietest measurement, or what was reached."""
        return max(self._reached, *self._rates)

    @property
    def middle(self) -> float:
        """The median of all measurements."""
        return median(self._rates)


@cache
def limit_of(dtype: torch.dtype) -> Limit:
    """The one of this process, which all its trainings share."""
    return Limit(dtype)
