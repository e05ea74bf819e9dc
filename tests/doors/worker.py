"""The process that opens doors: reads `[door, seed]` a line, answers `[how, detail, peak bytes]` a line."""

import faulthandler
import importlib
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


def main() -> None:
    """Answer until the input ends; what the doors print goes nowhere."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    hanging = open(f"/tmp/danlu-door-{os.getpid()}", "w")  # noqa: PTH123, SIM115  (as long as the process lives)
    import signal

    faulthandler.register(signal.SIGUSR1, file=hanging)
    sys.path.insert(0, str(Path(__file__).parent))
    from doors import DOORS

    ready: dict[str, Callable[[random.Random], tuple[str, str]]] = {}
    with tempfile.TemporaryDirectory(prefix="danlu-doors-") as folder:
        os.chdir(folder)  # what is written by mistake is written there
        channel.write("ready\n")
        for line in sys.stdin:
            door, seed = json.loads(line)
            if door not in ready:
                place = Path(folder) / door.replace(":", "-")
                place.mkdir()
                if not door.startswith("format:"):
                    _import_all()
                ready[door] = DOORS[door](place)
                channel.write("prepared\n")
            how, detail = ready[door](random.Random(f"{door} {seed}"))
            channel.write(json.dumps([how, detail[-3000:], _peak()]) + "\n")
    Path(hanging.name).unlink(missing_ok=True)


def _import_all() -> None:
    """Import what a command may import, which takes seconds that no input is to blame for."""
    for name in (
        "stages.kinds.train",
        "bundle.bundle",
        "evaluate.scoring.examine",
        "evaluate.reporting.report",
        "apps.doctor",
    ):
        importlib.import_module(f"danlu.{name}")


def _peak() -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    told = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return int(told["VmHWM"].split()[0]) * 1024


if __name__ == "__main__":
    main()
