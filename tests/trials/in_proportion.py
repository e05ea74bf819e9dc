"""How the time of something grows with the size of what it is given, whatever the machine is busy with."""

import gc
import time
from collections.abc import Callable

BOUND = 9.0  # of four times the size: linear time grows by 4, n log n by less than 5, quadratic time by 16
TRIALS = 12  # each keeps the least so far: what comes between makes a run slower, never faster
WORTH = 1e-3  # seconds: below it nothing is told, so take a size that is worth it


def seconds(run: Callable[[], object]) -> float:
    """Time of the processor, without collections: what earlier tests left would be gone through here."""
    gc.disable()
    try:
        begun = time.process_time()
        run()
        return time.process_time() - begun
    finally:
        gc.enable()


def growth(one: Callable[[], object], four: Callable[[], object]) -> float:
    """How many times as long the second takes, which is to do four times as much as the first."""
    least, most = float("inf"), float("inf")
    for _ in range(TRIALS):
        least, most = min(least, seconds(one)), min(most, seconds(four))
        if most < BOUND * max(least, WORTH):
            break
    return most / max(least, WORTH)
