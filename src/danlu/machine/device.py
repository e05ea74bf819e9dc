"""What this machine can do: cores, memory, device, and its MEASURED matrix-product rate."""

import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import torch

from danlu.machine.crew import Crew
from danlu.machine.files import write_text
from danlu.machine.memory import free_memory
from danlu.refusal import Refusal

Clock = Callable[[], float]


def device() -> torch.device:
    """The accelerator if there is one, else the CPU."""
    return torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")


def free_on(where: torch.device) -> float:
    """Bytes of memory that this process may still take on a device."""
    if where.type != "cuda":
        return free_memory()
    unused = torch.cuda.memory_reserved(where) - torch.cuda.memory_allocated(where)
    return float(torch.cuda.mem_get_info(where)[0] + unused)


def cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores this process may use: those that it was bound to, and no more than its quota allows (containers)."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(bound, _quota(groups))))


def _quota(groups: Path) -> float:
    """Cores' worth of time that the control group has (cgroups v2 and v1); infinite without a bound."""
    with suppress(OSError, ValueError):
        most, period = (groups / "cpu.max").read_text(encoding="ascii").split()
        return float(most) / float(period) if most != "max" else math.inf
    with suppress(OSError, ValueError):
        most, period = ((groups / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return float(most) / float(period) if float(most) > 0 else math.inf
    return math.inf


@cache
def matmul_rate(dtype: torch.dtype, seconds: float = 0.15) -> float:
    """Floating-point operations a second of a square product in `dtype`: the best of several, here or ever before.

    Another program takes time from a measurement and never gives any, so the best is nearest to the truth. It is kept
    in the user's cache, by processor and version of torch.
    """
    best = best_ever({_name(dtype): measured_rate(dtype, seconds)})
    return max(best[_name(dtype)], best.get(f"one core, {_name(dtype)}", 0.0))


def measured_rate(dtype: torch.dtype, seconds: float) -> float:
    """What `matmul_rate` is the best of, as it is here and now."""
    side = _side(dtype, seconds)
    return 2.0 * side**3 / min(_times(_products(side, [dtype]), seconds)[0])


@cache
def best_dtype() -> torch.dtype:
    """bfloat16 where it is measured to be at least 1.5 times as fast as float32, else float32; kept in the cache.

    Both are measured in turn, on one core and by the processor time that they take, so that a machine which is busy
    for a moment is judged as it is when it is idle.
    """
    pair = [torch.float32, torch.bfloat16]
    kept = {dtype: best_ever({}).get(f"one core, {_name(dtype)}") for dtype in pair}
    rates = [kept[dtype] or 0.0 for dtype in pair]
    if not all(rates):
        rates = _rates_of_one_core(pair) if device().type == "cpu" else [matmul_rate(dtype) for dtype in pair]
        best_ever({f"one core, {_name(dtype)}": rate for dtype, rate in zip(pair, rates, strict=True)})
    return torch.bfloat16 if rates[1] > 1.5 * rates[0] else torch.float32


def _rates_of_one_core(dtypes: Sequence[torch.dtype]) -> list[float]:
    """The best rate of each, measured in turn by a thread that has one core."""

    def measured() -> list[float]:
        side = min(_side(dtype, 0.1, time.thread_time) for dtype in dtypes)
        times = _times(_products(side, dtypes), 0.1, time.thread_time)
        return [2.0 * side**3 / min(each) for each in times]

    crew = Crew(2)  # of one core each; the second stays idle
    try:
        return crew.run([measured])[0]
    finally:
        crew.close()


@cache
def _side(dtype: torch.dtype, seconds: float, clock: Clock = time.perf_counter) -> int:
    """The side of matrices that is worth measuring; float16 takes 20 s a product of 1,024 on some CPUs."""
    side, largest = 128, 1024 if device().type == "cpu" else 8192
    while side < largest and 8 * min(_times(_products(side, [dtype]), 0.0, clock)[0]) < seconds:
        side *= 2
    return side


def _products(side: int, dtypes: Sequence[torch.dtype]) -> list[Callable[[], object]]:
    where = device()
    plain = [torch.randn(side, side, device=where) for _ in range(2)]
    pairs = [[matrix.to(dtype) for matrix in plain] for dtype in dtypes]
    return [partial(torch.matmul, left, right) for left, right in pairs]


def _times(
    products: Sequence[Callable[[], object]], seconds: float, clock: Clock = time.perf_counter
) -> list[list[float]]:
    """How long each product takes, one after the other in turn, until all add up to `seconds`; five times at least."""
    where = device()
    times: list[list[float]] = [[] for _ in products]
    with torch.inference_mode():
        for product in products:
            product()  # the first one is slower
        while sum(map(sum, times)) < seconds or len(times[0]) < 5:
            for product, found in zip(products, times, strict=True):
                _wait(where)
                begin = clock()
                product()
                _wait(where)
                found.append(max(clock() - begin, 1e-9))
    return times


def _wait(where: torch.device) -> None:
    if where.type == "cuda":
        torch.cuda.synchronize()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def best_ever(rates: Mapping[str, float]) -> dict[str, float]:
    """The best rates that this machine has shown, these included; a cache that cannot be read or written is none."""
    file = cache_folder() / "machine.json"
    key = f"{_processor()}, {cores()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads"
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        before = {name: float(rate) for name, rate in known[key].items() if 0 < float(rate) < float("inf")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        known, before = {}, {}
    best = before | {name: max(rate, before.get(name, 0.0)) for name, rate in rates.items()}
    if any(rate > 1.02 * before.get(name, 0.0) for name, rate in best.items()):  # a hair more is not worth a file
        known = known if isinstance(known, dict) else {}
        with suppress(OSError, RuntimeError, Refusal):
            write_text(file, json.dumps({**known, key: best}, indent=1) + "\n")
    return best


def cache_folder() -> Path:
    """Where this user's programs keep what they can do without."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "danlu"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "danlu"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "danlu"


def _processor() -> str:
    """The model of the device that computes, in its maker's words."""
    if device().type == "cuda":
        return torch.cuda.get_device_name()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines[:40])}
        return " ".join(told[part] for part in ("model name", "cpu family", "model", "stepping") if part in told)
    return platform.processor() or platform.machine()
