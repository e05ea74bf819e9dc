"""What this machine can do: cores, memory, device, and its MEASURED matrix-product rate."""

import os
import time
from functools import cache

import torch


def device() -> torch.device:
    """The accelerator if there is one, else the CPU."""
    return torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def matmul_rate(dtype: torch.dtype, seconds: float = 0.15) -> float:
    """Floating-point operations a second of a square product in `dtype`: the median over some repetitions.

    It moves by a third from process to process on shared machines; compare only figures of one process.
    """
    side, largest = 128, 1024 if device().type == "cpu" else 8192
    while side < largest and 8 * _times(side, dtype, 0.0)[0] < seconds:  # float16 takes 20 s a product on some CPUs
        side *= 2
    times = _times(side, dtype, seconds)
    return 2.0 * side**3 / sorted(times)[len(times) // 2]


def best_dtype() -> torch.dtype:
    """bfloat16 where it is measured to be at least 1.5 times as fast as float32, else float32."""
    faster = matmul_rate(torch.bfloat16) > 1.5 * matmul_rate(torch.float32)
    return torch.bfloat16 if faster else torch.float32


def _times(side: int, dtype: torch.dtype, seconds: float) -> list[float]:
    """How long single products of two square matrices take, until they add up to `seconds`; at least three."""
    where = device()
    left = torch.randn(side, side, device=where).to(dtype)
    right = torch.randn(side, side, device=where).to(dtype)
    times: list[float] = []
    with torch.inference_mode():
        left @ right  # the first one is slower
        while sum(times) < seconds or len(times) < 3:
            _wait(where)
            begin = time.perf_counter()
            left @ right
            _wait(where)
            times.append(time.perf_counter() - begin)
    return times


def _wait(where: torch.device) -> None:
    if where.type == "cuda":
        torch.cuda.synchronize()
