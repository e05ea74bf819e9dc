"""Monitors that are killed at random moments, and whose database goes away."""

import random
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from measuring import HERE, say, table

sys.path[:0] = [str(HERE.parent / "tests" / folder) for folder in ("apps/monitor", "trials")]

import postgres_server  # noqa: E402
from monitor_streams import stream  # noqa: E402
from monitor_watched import Watched, check, count, end_stream, run_through, running  # noqa: E402
from monitor_web import Web  # noqa: E402

from danlu.apps.monitor.tables import TEXTS  # noqa: E402

SHARES = [(0.0, 0.15), (4.0, 0.6), (8.0, 0.1), (12.0, 0.5), (16.0, 0.15)]
LEASE = 30.0
MEANWHILE = 100
"""Texts that come while the database is away."""


def killed(kills: int, away: float) -> None:
    """Kill processes on SQLite and on PostgreSQL, and stop the server of the latter; say what was lost and repeated."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        lines.append(_run(Path(folder), f"sqlite:///{folder}/monitor.db", "SQLite", kills, None))
    if postgres_server.missing():
        say(f"PostgreSQL is left out: {postgres_server.missing()}")
    else:
        with postgres_server.server() as url, tempfile.TemporaryDirectory() as folder:
            lines.append(_run(Path(folder), url, "PostgreSQL", 0, away))
    head = ["database", "killed", "away", "texts", "texts lost or counted twice", "alerts"]
    print(table([*head, "alerts lost or raised twice", "messages that were sent again"], lines))


def _run(folder: Path, url: str, name: str, kills: int, away: float | None) -> list[str]:
    items = stream(20, 5, SHARES, 6)
    rng = random.Random(16)
    web = Web()
    gone = 0.0
    with running(folder, url, web, LEASE) as found:
        next_one = [time.monotonic() + 2]

        def sometimes() -> None:
            if found.kills < kills and time.monotonic() > next_one[0]:
                found.kill(rng.randrange(2))
                next_one[0] = time.monotonic() + rng.uniform(
                    0.05, 8
                )  # a process takes a second to begin, and several where others are at work

        half = len(items) // 2
        run_through(found, items[:half], 20, sometimes)
        if away is not None:
            gone = _stop(found, away, items[half : half + MEANWHILE])
            half += MEANWHILE
            found.wait(lambda connection: count(connection, TEXTS, TEXTS.c.judged) == half, sometimes, 120)
        run_through(found, items[half:], 20, sometimes, first=200)
        while found.kills < kills:
            sometimes()
            time.sleep(0.05)
        end_stream(found, items[-1].date or 0.0, sometimes)
        check(found, items)  # raises where a text or an alert is lost, or is there twice
    keys = [headers["idempotency-key"] for _, headers, _ in web.asked]
    web.close()
    told = [name, f"{found.kills} times", f"{gone:.0f} s", f"{len(items):,}", "0", f"{len(set(keys))}", "0"]
    return [*told, f"{len(keys) - len(set(keys))}"]


def _stop(found: Watched, seconds: float, items: list[Any]) -> float:
    """Stop the server at once, as a fall would, while texts come; start it again."""
    with found.store.begin() as connection:
        data = Path(connection.execute(sql.text("SHOW data_directory")).scalar_one())
    options = shlex.split((data / "postmaster.opts").read_text())[1:]
    options = [word for word in options if word not in ("-D", str(data))]
    user = ["runuser", "-u", "postgres", "--"]
    found.put(100, items)
    postgres_server._run(user, "pg_ctl", "-D", data, "-m", "immediate", "stop")
    begun = time.monotonic()
    time.sleep(seconds)
    words = ("-D", data, "-w", "-l", data.parent / "log", "-o", shlex.join(options))
    postgres_server._run(user, "pg_ctl", *words, "start")
    return time.monotonic() - begun
