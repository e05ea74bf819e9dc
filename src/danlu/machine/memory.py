"""How much memory this process may take."""

from contextlib import suppress
from pathlib import Path

import psutil


def memory_limit(groups: Path) -> tuple[float, float]:
    """Bytes that the control group may have, and has (cgroups v2 and v1); infinite and 0 without a bound.

    Pages of files that nobody has read of late are not among those that it has, for they make room.
    """
    for most, now, stat in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        with suppress(OSError, ValueError):
            bound, held = float((groups / most).read_text()), float((groups / now).read_text())
            return bound, max(0.0, held - _given_back(groups / stat))
    return float("inf"), 0.0


def _given_back(stat: Path) -> float:
    """Bytes of files that nobody has read of late, which the system takes back where it needs some."""
    with suppress(OSError, ValueError):
        lines = dict(line.split(maxsplit=1) for line in stat.read_text().splitlines() if " " in line)
        return float(lines.get("total_inactive_file", lines.get("inactive_file", 0)))
    return 0.0


def free_memory(groups: Path = Path("/sys/fs/cgroup")) -> float:
    """Bytes of memory that this process may still take: those that are free, and no more than its control group has."""
    most, now = memory_limit(groups)
    return min(float(psutil.virtual_memory().available), most - now)
