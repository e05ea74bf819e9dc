"""How much memory this process may take."""

from contextlib import suppress
from pathlib import Path

import psutil


def memory_limit(groups: Path) -> tuple[float, float]:
    """Bytes that the control group may have, and has (cgroups v2 and v1); infinite and 0 without a bound."""
    for most, now in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):
            return float((groups / most).read_text()), float((groups / now).read_text())
    return float("inf"), 0.0


def free_memory(groups: Path = Path("/sys/fs/cgroup")) -> float:
    """Bytes of memory that this process may still take: those that are free, and no more than its control group has."""
    most, now = memory_limit(groups)
    return min(float(psutil.virtual_memory().available), most - now)
