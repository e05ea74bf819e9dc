"""Several processes on one database, killed with signal 9 at any moment."""

import random
import signal
import time
from pathlib import Path

import pytest
from monitor_streams import stream
from monitor_watched import check, end_stream, run_through, running
from monitor_web import Web

SHARES = [(0.0, 0.15), (1.8, 0.7), (4.5, 0.1)]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal")
def test_two_processes_do_every_job_once_and_lose_nothing_when_they_are_killed(tmp_path: Path, web: Web) -> None:
    items = stream(7, 4, SHARES, 3)
    rng = random.Random(9)
    half = len(items) // 2
    with running(tmp_path, f"sqlite:///{tmp_path / 'monitor.db'}", web, lease=30.0) as found:
        run_through(found, items[:half], 2, lambda: None)
        sent = [headers["idempotency-key"] for _, headers, _ in web.asked]
        assert len(sent) == len(set(sent)) > 0
        next_one = [time.monotonic()]

        def sometimes() -> None:
            if time.monotonic() > next_one[0] and found.kills < 2:
                found.kill(rng.randrange(2))
                next_one[0] = time.monotonic() + rng.uniform(0.5, 2)

        run_through(found, items[half:], 3, sometimes, first=2)
        found.wait(lambda _: found.kills == 2, sometimes)
        end_stream(found, items[-1].date or 0.0, lambda: None)
        check(found, items)
