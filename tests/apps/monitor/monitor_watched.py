"""Processes that watch a folder on one database, beside what they should have found; for benchmarks as well."""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from monitor_process import begun
from monitor_streams import COARSE, plain_judge
from monitor_web import Web

from danlu.apps.monitor.item import Item
from danlu.apps.monitor.replay import heard, watched
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import ALERTS, COUNTS, OUTBOX, TEXTS
from danlu.machine.database import Unreachable


class Watched:
    """A stream that is put into a folder piece by piece, and the processes that watch it."""

    def __init__(self, folder: Path, url: str, web: Web, lease: float) -> None:
        self.folder, self.store, self.web = folder, Store(url), web
        self.inbox, self.clock = folder / "inbox", folder / "clock"
        self.inbox.mkdir()
        self.clock.write_text("0")
        alarm = COARSE.model_dump(mode="json")
        paths = {"inbox": str(self.inbox), "clock": str(self.clock)}
        self.settings = {
            "url": url,
            "webhook": f"{web.url}/hook",
            "lease": lease,
            "alarm": alarm,
            "locked": 0.3,
        } | paths
        self.processes = [self.begin(), self.begin()]
        self.kills = 0

    def begin(self) -> "subprocess.Popen[bytes]":
        return begun(self.settings, self.folder)

    def kill(self, number: int) -> None:
        """Kill one of the processes, and begin another in its place."""
        os.kill(self.processes[number].pid, signal.SIGKILL)
        self.processes[number].wait()
        stdin = self.processes[number].stdin
        if stdin is not None:
            stdin.close()
        self.processes[number] = self.begin()
        self.kills += 1

    def put(self, number: int, items: Sequence[Item]) -> None:
        """Put texts into the folder, whole at once."""
        file = self.inbox / f"{number:04}.jsonl"
        hidden = file.with_name(f".{file.name}")
        hidden.write_text("".join(json.dumps(_plain(item)) + "\n" for item in items), encoding="utf-8")
        hidden.rename(file)

    def set_clock(self, now: float) -> None:
        file = self.clock.with_name("clock.new")
        file.write_text(str(now))
        file.rename(self.clock)

    def wait(self, done: Callable[[Any], bool], meanwhile: Callable[[], object], seconds: float = 180) -> None:
        """Wait until the database says so."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            meanwhile()
            try:
                with self.store.begin() as connection:
                    if done(connection):
                        return
            except Unreachable:
                pass
            time.sleep(0.1)
        raise AssertionError((self.folder / "process.log").read_text(encoding="utf-8")[-3000:])

    def end(self) -> None:
        for process in self.processes:
            if process.stdin is not None:
                process.stdin.close()
        for process in self.processes:
            process.wait(30)
        self.store.close()


def _plain(item: Item) -> dict[str, Any]:
    told = {name: value for name, value in asdict(item).items() if value not in (None, "", False)}
    return told | {"negative": item.negative}


@contextmanager
def running(folder: Path, url: str, web: Web, lease: float) -> Iterator[Watched]:
    found = Watched(folder, url, web, lease)
    try:
        yield found
    finally:
        found.end()


def count(connection: sql.Connection, table: sql.Table, *where: Any) -> int:
    return int(connection.execute(sql.select(sql.func.count()).select_from(table).where(*where)).scalar_one())


def end_stream(found: Watched, last: float, meanwhile: Callable[[], object]) -> None:
    """Let the time go on until everything was heard and sent."""
    found.set_clock(last + 3 * COARSE.step)
    found.wait(lambda connection: count(connection, COUNTS, COUNTS.c.unheard > 0) == 0, meanwhile)
    found.wait(lambda connection: count(connection, OUTBOX, OUTBOX.c.state != "sent") == 0, meanwhile)


def run_through(
    found: Watched, items: Sequence[Item], parts: int, meanwhile: Callable[[], object], first: int = 0
) -> None:
    """Put a stream into the folder, the clock going on when what came before was judged; until all is sent."""
    size = -(-len(items) // parts)
    with found.store.begin() as connection:
        done = count(connection, TEXTS)
    for number in range(parts):
        part = items[number * size : (number + 1) * size]
        done += len(part)
        expected = done
        found.put(first + number, part)
        found.wait(lambda connection: count(connection, TEXTS, TEXTS.c.judged) == expected, meanwhile)  # noqa: B023
        found.set_clock(part[-1].date or 0.0)
    last = int((items[-1].date or 0.0) // COARSE.step)
    found.wait(lambda connection: count(connection, COUNTS, COUNTS.c.unheard > 0, COUNTS.c.step < last) == 0, meanwhile)
    found.wait(lambda connection: count(connection, OUTBOX, OUTBOX.c.state != "sent") == 0, meanwhile)


def check(found: Watched, items: Sequence[Item]) -> None:
    """No text was lost or counted twice, and every alert of the replay was raised once."""
    rows, told = heard(items, plain_judge(), COARSE, 1e11)
    expected = sorted((topic, change.step, change.direction) for topic, change in watched(rows, COARSE, told).alerts)
    with found.store.begin() as connection:
        alerts = connection.execute(sql.select(ALERTS)).all()
        keys = sorted(connection.scalars(sql.select(TEXTS.c.key)))
        texts = connection.execute(sql.select(COUNTS.c.step, COUNTS.c.texts).where(COUNTS.c.topic == "all")).all()
    assert keys == sorted(item.key for item in items)
    assert dict(texts) == Counter(int((item.date or 0) // COARSE.step) for item in items)
    assert sorted((row.topic, row.step, row.direction) for row in alerts) == expected
    assert len(expected) >= 2
    sent = [headers["idempotency-key"] for _, headers, _ in found.web.asked]
    assert sorted(set(sent)) == sorted(row.key for row in alerts)
