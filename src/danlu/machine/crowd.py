"""How many threads of one core each pay here: measured, since cores may be halves of one, or shared with others."""

import threading
import time
from collections.abc import Callable, Mapping

import torch

from danlu.machine.crew import Crew
from danlu.machine.device import cores

SIDE, SECONDS = 256, 0.08
ENOUGH = 0.95
"""Share of the best rate that fewer threads need to be preferred: what is left over answers the network."""


def candidates(most: int) -> list[int]:
    """Numbers of threads that are worth trying: powers of two, three quarters of the cores, all of them."""
    powers = [2**power for power in range(most.bit_length()) if 2**power <= most]
    return sorted({*powers, max(1, 3 * most // 4), most})


def rates(most: int | None = None, seconds: float = SECONDS) -> dict[int, float]:
    """Products a second of all threads together, by their number; at most `most`, None: as many as there are cores."""
    return {threads: _rate(threads, seconds) for threads in candidates(most or cores())}


def best(measured: Mapping[int, float]) -> int:
    """The smallest number of threads that is as good as any."""
    most = max(measured.values())
    return min(threads for threads, rate in measured.items() if rate >= ENOUGH * most)


def _rate(threads: int, seconds: float) -> float:
    crew = Crew(max(threads, 2))  # one alone would compute with all cores
    start = threading.Barrier(threads)

    def work() -> float:
        with torch.inference_mode():
            one, other = torch.ones(SIDE, SIDE), torch.ones(SIDE, SIDE)
            one @ other
            start.wait()
            begun, done = time.perf_counter(), 0
            while time.perf_counter() - begun < seconds:
                one @ other
                done += 1
            return done / (time.perf_counter() - begun)

    jobs: list[Callable[[], float]] = [work] * threads
    try:
        return sum(crew.run(jobs))
    finally:
        crew.close()
