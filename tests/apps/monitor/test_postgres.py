"""The same on a PostgreSQL server, whose connections break in the middle of things."""

import random
import threading
import time
from collections.abc import Iterator

import postgres_server
import pytest
import sqlalchemy as sql
from monitor_streams import COARSE, plain_judge, stream

from danlu.apps.monitor import queries
from danlu.apps.monitor.outbox import outbox_of
from danlu.apps.monitor.replay import heard, watched
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import COUNTS, OUTBOX, TEXTS
from danlu.apps.monitor.work import Worker
from danlu.machine.database import Unreachable
from danlu.machine.web import Failed
from danlu.refusal import Refusal

SHARES = [(0.0, 0.15), (4.0, 0.6), (6.0, 0.1)]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    if postgres_server.missing():
        pytest.skip(postgres_server.missing())
    with postgres_server.server() as found:
        yield found


class Listener:
    """Takes every second message at the first try."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.tries = 0

    def send(self, message: object) -> None:
        self.tries += 1
        if self.tries % 2:
            raise Failed("not now")
        self.heard.append(message.key)  # type: ignore[attr-defined]


class Breaker:
    """Breaks all connections but its own, now and then."""

    def __init__(self, store: Store) -> None:
        self.store, self.broken, self.over = store, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        rng = random.Random(4)
        others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        while not self.over.wait(rng.uniform(0.02, 0.3)):
            with self.store.engine.connect() as connection:
                statement = sql.text(f"SELECT count(pg_terminate_backend(pid)) {others}")
                self.broken += connection.execute(statement).scalar_one()


def until_done(job: object) -> None:
    while True:
        try:
            job()  # type: ignore[operator]
        except Unreachable:
            time.sleep(0.01)
        else:
            return


def test_connections_that_break_lose_nothing_and_do_nothing_twice(url: str) -> None:
    items = stream(8, 5, SHARES, 5)
    stores = [Store(url) for _ in range(3)]
    workers = [Worker(store, plain_judge(), COARSE, ["hook"], lease=0.3, settled=0.0) for store in stores[:2]]
    listener = Listener()
    boxes = [outbox_of(store, "hook", listener, say=lambda _: None) for store in stores[:2]]  # type: ignore[arg-type]
    for box in boxes:
        box.first_wait = 0.0
    breaker = Breaker(stores[2])
    try:
        for start in range(0, len(items), 60):
            part = items[start : start + 60]
            now = part[-1].date or 0.0
            until_done(lambda: stores[0].put(part, now))  # noqa: B023
            for worker in workers:
                until_done(lambda: worker.work(now))  # noqa: B023
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            for worker in workers:
                until_done(lambda: worker.work(now + 3 * COARSE.step))  # noqa: B023
            with stores[2].begin() as connection:
                left = connection.execute(sql.select(sql.func.sum(COUNTS.c.unheard))).scalar_one()
            if not left:
                break
            time.sleep(0.1)
    finally:
        breaker.over.set()
        breaker.thread.join()
    for box in boxes:
        until_done(box.send_due)
    rows, told = heard(items, plain_judge(), COARSE, 1e11)
    expected = sorted((topic, change.step, change.direction) for topic, change in watched(rows, COARSE, told).alerts)
    with stores[2].begin() as connection:
        alerts = queries.alerts(connection)
        texts = connection.execute(sql.select(TEXTS.c.judged)).scalars().all()
        all_texts = sql.select(sql.func.sum(COUNTS.c.texts)).where(COUNTS.c.topic == "all")
        counted = connection.execute(all_texts).scalar_one()
        states = connection.execute(sql.select(OUTBOX.c.state, OUTBOX.c.tries)).all()
        assert queries.topics(connection, 0, 10**9)[0]["texts"] == len(items)
        assert queries.texts_behind(connection, alerts[0], 3)
        assert queries.health(connection)["waiting"] == 0
    assert breaker.broken > 3
    assert (len(texts), set(texts), counted) == (len(items), {True}, len(items))
    assert sorted((each["topic"], each["told"]["step"], each["told"]["direction"]) for each in alerts) == expected
    assert len(expected) >= 2
    assert sorted(listener.heard) == sorted(each["key"] for each in alerts)
    assert {state for state, _ in states} == {"sent"}
    for store in stores:
        store.close()


def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    if postgres_server.missing():
        pytest.skip(postgres_server.missing())
    with pytest.raises(Refusal, match="cannot be opened") as refused:
        Store("postgresql://me:not-to-be-told@127.0.0.1:9/nothing")
    assert "not-to-be-told" not in str(refused.value)
