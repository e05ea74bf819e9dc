"""Old texts are forgotten, and what is known of them is not; a backlog hides no change; topics are bounded."""

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sql
from monitor_streams import BEGIN, COARSE, HOURLY, plain_judge, stream

from danlu.apps.monitor import queries
from danlu.apps.monitor.forgetting import forget
from danlu.apps.monitor.item import Item
from danlu.apps.monitor.replay import heard, watched
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import COUNTS, TEXTS, TOPICS
from danlu.apps.monitor.work import Worker

DAY = 86_400.0
SHARES = [(0.0, 0.15), (6.0, 0.55)]


def worker(store: Store, **settings: object) -> Worker:
    settings = {"alarm": HOURLY, "settled": 0.0, "say": lambda _: None, **settings}
    return Worker(store, plain_judge(), **settings)  # type: ignore[arg-type]


def text(word: str, day: float, topic: str = "a") -> Item:
    return Item(
        f"{word} is what is said", date=BEGIN + day * DAY, topics=(topic,), negative=False, url="http://x.example"
    )


def test_what_came_long_ago_is_known_and_counted_and_no_longer_read(store: Store, tmp_path: Path) -> None:
    own = worker(store, keep=7)
    for day, word in enumerate(("first", "second", "third")):
        store.put([text(word, 6 * day)], BEGIN + 6 * day * DAY)
        own.work(BEGIN + 6 * day * DAY)
    with store.reading() as connection:
        rows = connection.execute(sql.select(TEXTS).order_by(TEXTS.c.id)).all()
        topics = connection.execute(sql.select(TOPICS.c.topic, TOPICS.c.text)).all()
        counted = queries.topics(connection, 0, 10**9)
    assert [row.text.partition(" ")[0] for row in rows] == ["", "second", "third"]
    assert [(row.title, row.url, row.bands is None) for row in rows] == [
        ("", "", True), ("", "http://x.example", False), ("", "http://x.example", False),
    ]  # fmt: skip
    assert sorted(topics) == [(name, row.id) for name in ("a", "all") for row in rows[1:]]
    assert {row["topic"]: row["texts"] for row in counted} == {"a": 3, "all": 3}
    again = worker(store, keep=7)  # remembers texts of which one has no keys any more
    now = BEGIN + 12 * DAY
    assert store.put([text("first", 0), text("fourth", 12)], now).known == 1
    assert again.work(now) == 1


def test_a_text_that_waits_holds_up_those_behind_it_and_all_go_in_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.apps.monitor.forgetting.AT_ONCE", 3)
    store.put([text(str(number), number / 100) for number in range(8)], BEGIN)
    with store.begin() as connection:
        connection.execute(TEXTS.update().values(judged=True))
        connection.execute(TEXTS.update().where(TEXTS.c.id == 5).values(judged=False))
        assert [forget(store, connection, BEGIN + 1, ()) for _ in range(3)] == [3, 1, 0]
        connection.execute(TEXTS.update().values(judged=True))
        assert [forget(store, connection, BEGIN + 1, ()) for _ in range(3)] == [3, 1, 0]
        assert set(connection.scalars(sql.select(TEXTS.c.text))) == {""}


def test_without_a_limit_nothing_is_forgotten(store: Store) -> None:
    store.put([text("first", 0)], BEGIN)
    own = worker(store)
    own.work(BEGIN)
    own.work(BEGIN + 1000 * DAY)
    with store.reading() as connection:
        assert connection.scalars(sql.select(TEXTS.c.text)).all() == ["first is what is said"]


def test_a_change_is_told_while_texts_still_wait(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.apps.monitor.work.BLOCK", 32)
    items = stream(12, 6, SHARES)
    rows, found = heard(items, plain_judge(), COARSE, BEGIN + 12 * DAY)
    expected = sorted((topic, change.step) for topic, change in watched(rows, COARSE, found).alerts)
    assert expected
    own = worker(store, alarm=COARSE)
    half = len(items) // 3
    for item in items[:half]:
        store.put([item], item.date or 0.0)
    own.work(items[half].date or 0.0)
    for item in items[half:]:
        store.put([item], item.date or 0.0)  # each came when it was written, and nobody worked
    alerts: list[tuple[str, int]] = []
    waiting: list[int] = []

    def stopping() -> bool:
        with store.reading() as connection:
            alerts[:] = [(each["topic"], each["told"]["step"]) for each in queries.alerts(connection)]
            waiting.append(queries.health(connection)["waiting"])
        return bool(alerts)

    replace(own, stopping=stopping).work(BEGIN + 12 * DAY)
    assert waiting[-1] > 32
    assert alerts
    assert set(alerts) <= set(expected)
    own.work(BEGIN + 12 * DAY)
    with store.reading() as connection:
        assert sorted((each["topic"], each["told"]["step"]) for each in queries.alerts(connection)) == expected


def test_topics_that_anybody_may_name_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.apps.monitor.work.MOST_TOPICS", 3)
    lines: list[str] = []
    for begun in range(2):
        own = worker(store, say=lines.append)
        now = BEGIN + 5 * begun * DAY
        store.put([text(f"{begun} {name}", 5 * begun, name) for name in ("a", "b", "c", "d")], now)
        assert own.work(now) == 4
        assert len(lines) == begun + 1
    assert lines[0] == "more than 3 topics are told; texts of further ones are counted without these"
    with store.reading() as connection:
        counts = connection.execute(sql.select(COUNTS.c.topic, sql.func.sum(COUNTS.c.texts)).group_by(COUNTS.c.topic))
        assert {topic: int(texts) for topic, texts in counts} == {"all": 8, "a": 2, "b": 2}
