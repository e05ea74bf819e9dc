"""After an outage nothing is over before all sources were looked at, so no change of that time is missed."""

from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sql
from monitor_streams import COARSE, plain_judge, stream

from danlu.apps.monitor import looks as module
from danlu.apps.monitor import queries
from danlu.apps.monitor.item import Item
from danlu.apps.monitor.looks import Looks
from danlu.apps.monitor.replay import heard, watched
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import SOURCES
from danlu.apps.monitor.work import CLOSED, Worker

SHARES = [(0.0, 0.15), (8.1, 0.9), (8.9, 0.1)]


def worker(store: Store, looks: Looks | None) -> Worker:
    return Worker(store, plain_judge(), COARSE, settled=0.0, say=lambda _: None, looks=looks)


def closed(store: Store) -> Any:
    with store.reading() as connection:
        return store.fact(connection, CLOSED)


def replayed(items: Sequence[Item]) -> list[tuple[str, int, str]]:
    rows, found = heard(items, plain_judge(), COARSE, 1e10)
    return sorted((topic, each.step, each.direction) for topic, each in watched(rows, COARSE, found).alerts)


@pytest.mark.parametrize("block", [64, 4096])
def test_what_was_written_in_an_outage_is_heard_in_its_own_time(
    store: Store, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("danlu.apps.monitor.work.BLOCK", block)
    items = stream(10, 8, SHARES)
    begun = items[0].date or 0.0
    before = [item for item in items if (item.date or 0.0) < begun + 8 * 86_400]
    store.put(before, before[-1].date or 0.0)
    worker(store, None).work(before[-1].date or 0.0)
    known, now = closed(store), (items[-1].date or 0.0) + 2 * COARSE.step
    looks = Looks(store, ["files"], COARSE.step)
    own = worker(store, looks)
    own.work(now)
    assert closed(store) == known
    looks.look("files", lambda: store.put(items, now))
    own.work(now)
    with store.reading() as connection:
        alerts = queries.alerts(connection)
    expected = replayed(items)
    assert {direction for _, _, direction in expected} == {"up", "down"}
    assert sorted((each["topic"], each["told"]["step"], each["told"]["direction"]) for each in alerts) == expected


def test_looks_are_made_anew_after_a_pause_and_what_fails_is_none(store: Store) -> None:
    looks = Looks(store, ["feeds", "files"], 3600.0)
    assert not looks.complete(0.0)
    looks.look("feeds", lambda: None)
    with pytest.raises(ZeroDivisionError):
        looks.look("files", lambda: 1 / 0)
    assert not looks.complete(1.0)
    looks.look("files", lambda: None)
    assert looks.complete(2.0)
    assert not looks.caught_up()
    looks.worked(2.0, all_judged=True)
    assert looks.caught_up()
    assert looks.complete(3000.0)
    looks.worked(3000.0, all_judged=False)
    looks.look("files", lambda: looks.complete(9000.0))  # begun before the pause was noticed
    looks.look("feeds", lambda: None)
    assert not looks.complete(9001.0)
    assert not looks.caught_up()
    looks.look("files", lambda: None)
    assert looks.complete(9002.0)
    assert Looks(store, [], 3600.0).complete(0.0)


def test_a_source_that_another_process_reads_is_waited_for_and_none_for_ever(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.begin() as connection:
        row = {"name": "feed", "due": 0.0, "failures": 0, "texts": 0, "holder": "another"}
        connection.execute(SOURCES.insert().values(**row, until=store.clock(connection) + 100))
    looks = Looks(store, [], 3600.0)
    assert not looks.complete(0.0)
    with store.begin() as connection:
        connection.execute(sql.update(SOURCES).values(until=None))
    assert looks.complete(0.0)
    waiting = Looks(store, ["feeds"], 3600.0)
    assert not waiting.complete(0.0)
    monkeypatch.setattr(module, "LONGEST", 0.0)
    assert waiting.complete(0.0)
