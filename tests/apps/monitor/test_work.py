"""Texts become counts, counts alerts; what comes one by one is what a replay finds."""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sql
from monitor_streams import BEGIN, COARSE, DAILY, HOURLY, plain_judge, stream

from danlu.apps.monitor import leases, queries
from danlu.apps.monitor.item import Item
from danlu.apps.monitor.judging import Unjudged
from danlu.apps.monitor.replay import heard, watched
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import COUNTS, FACTS, OUTBOX, TEXTS
from danlu.apps.monitor.work import CLOSED, PATIENT, WORK, Worker
from danlu.machine.database import Unreachable

SHARES = [(0.0, 0.15), (6.0, 0.55), (8.0, 0.1)]
LATER = 1e10


def worker(store: Store, **settings: object) -> Worker:
    settings = {"alarm": HOURLY, "settled": 0.0, "say": lambda _: None, **settings}
    return Worker(store, plain_judge(), channels=["hook"], **settings)  # type: ignore[arg-type]


def told(store: Store) -> list[tuple[str, int, str]]:
    with store.begin() as connection:
        alerts = queries.alerts(connection)
    return sorted((alert["topic"], alert["told"]["step"], alert["told"]["direction"]) for alert in alerts)


def replayed(items: Sequence[Item]) -> list[tuple[str, int, str]]:
    rows, found = heard(items, plain_judge(), COARSE, LATER)
    alerts = watched(rows, COARSE, found).alerts
    return sorted((topic, change.step, change.direction) for topic, change in alerts)


def with_repeats(items: Sequence[Item], seed: int) -> list[Item]:
    """Some texts once more a little later, nearly the same."""
    rng = random.Random(seed)
    again = [
        replace(item, text=f"{item.text}!", date=(item.date or 0) + rng.random() * 7200, negative=not item.negative)
        for item in items
        if rng.random() < 0.1
    ]
    return sorted([*items, *again], key=lambda item: item.date or 0.0)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_stream_raises_the_alerts_of_its_replay(tmp_path: Path, seed: int) -> None:
    items = with_repeats(stream(10, 6, SHARES, seed), seed)
    expected = replayed(items)
    assert {(topic, direction) for topic, _, direction in expected} >= {("a", "up"), ("a", "down")}
    rng = random.Random(seed)
    store, other = (Store(f"sqlite:///{tmp_path / 'stream.db'}") for _ in range(2))
    workers = [worker(store, alarm=COARSE), worker(other, alarm=COARSE)]
    place = 0
    while place < len(items):
        size = rng.randrange(1, 250)
        now = items[min(place + size, len(items)) - 1].date or 0.0
        store.put(items[place : place + size], now)
        store.put(rng.sample(items[: place + 1], min(3, place + 1)), now)  # what is known changes nothing
        at_work = workers[rng.random() < 0.3]
        at_work.work(now)
        if rng.random() < 0.3:
            leases.leave(at_work.store, WORK)
        place += size
    for each in workers:
        each.work(now + 2 * 10_800)
    assert told(store) == expected
    with store.begin() as connection:
        texts = connection.execute(sql.select(TEXTS)).all()
        counts = {(row.topic, row.step): row for row in connection.execute(sql.select(COUNTS))}
        assert connection.execute(sql.select(sql.func.count()).select_from(OUTBOX)).scalar_one() == len(expected)
    assert len(texts) == len(items)
    assert sum(row.like is not None for row in texts) > len(items) // 20
    own = Counter((int(row.date // 10_800), row.like is not None) for row in texts)
    assert {step: (row.texts, row.copies) for (topic, step), row in counts.items() if topic == "all"} == {
        step: (own[step, False], own[step, True]) for step, _ in own
    }
    assert {row.unheard for row in counts.values()} == {0}
    store.close()
    other.close()


def test_a_database_is_worked_on_by_one_and_taken_over_from_who_has_ended(store: Store, tmp_path: Path) -> None:
    other = Store(f"sqlite:///{tmp_path / 'monitor.db'}")
    now = BEGIN + 100
    store.put(stream(1, 6, SHARES), now)
    first, second = worker(store, lease=60.0), worker(other, lease=60.0)
    assert first.work(now) > 100
    store.put(stream(1, 6, SHARES, 1), now)
    assert second.work(now) == 0
    with store.begin() as connection:
        connection.execute(leases.LEASES.update().values(until=0.0))
    assert second.work(now) > 100
    store.put(stream(1, 6, SHARES, 2), now)
    with other.begin() as connection:
        connection.execute(leases.LEASES.update().values(until=LATER * 10))  # a clock was set back
    assert first.work(now) > 100
    other.close()


def test_what_is_found_while_another_has_taken_over_is_not_kept(store: Store) -> None:
    store.put(stream(1, 6, SHARES), BEGIN)
    own = worker(store)
    judge = own.judge.judge

    def stolen(*arguments: object) -> object:
        with store.begin() as connection:
            connection.execute(leases.LEASES.update().values(holder="another"))
        return judge(*arguments)  # type: ignore[arg-type]

    own.judge.judge = stolen  # type: ignore[method-assign,assignment]
    assert own.block() is None
    with store.begin() as connection:
        assert connection.execute(sql.select(sql.func.count()).where(TEXTS.c.judged)).scalar_one() == 0
        assert connection.execute(sql.select(sql.func.count()).select_from(COUNTS)).scalar_one() == 0


def one(text: str, date: float) -> Item:
    return Item(text, date=date, negative=False, topics=())


def test_while_a_model_fails_nothing_is_kept_and_all_is_judged_when_it_answers(store: Store) -> None:
    own = worker(store)
    finds = own.judge.finds_negative
    store.put([replace(one("太差了", BEGIN), negative=None), replace(one("很好", BEGIN), negative=None)], BEGIN)
    own.judge.finds_negative = Mute()
    with pytest.raises(Unjudged):
        own.work(BEGIN)
    with store.begin() as connection:
        assert connection.execute(sql.select(sql.func.count()).where(TEXTS.c.judged)).scalar_one() == 0
    own.judge.finds_negative = finds
    assert own.work(BEGIN) == 2
    with store.begin() as connection:
        assert connection.scalars(sql.select(TEXTS.c.negative).order_by(TEXTS.c.id)).all() == [True, False]


class Mute:
    """A model that is not there."""

    def negative(self, texts: Sequence[str]) -> list[bool]:
        raise ConnectionError


def heard_steps(store: Store) -> dict[int, int]:
    found: defaultdict[int, int] = defaultdict(int)
    with store.begin() as connection:
        for row in connection.execute(sql.select(TEXTS.c.counted)):
            found[row.counted] += 1
    return dict(found)


def test_late_texts_count_now_and_far_too_late_ones_are_only_kept(store: Store) -> None:
    lines: list[str] = []
    own = worker(store, say=lines.append)
    now = BEGIN + 100 * 3600
    step = int(now // 3600)
    store.put([one("first", now)], now)
    own.work(now + 3600)
    store.put([one("late", now - 5 * 3600), one("too late", now - 50 * 3600), one("now", now + 3700)], now + 3700)
    own.work(now + 3800)
    assert heard_steps(store) == {step: 1, step + 1: 2, None: 1}
    assert lines == ["1 texts are more than a day old, and only kept: what was said then is over"]
    with store.begin() as connection:
        assert queries.span(connection) == (step - 50, step + 1)


def test_a_clock_that_goes_back_loses_nothing_and_is_told(store: Store) -> None:
    lines: list[str] = []
    own = worker(store, say=lines.append)
    now = BEGIN + 100 * 3600
    wrong = now + 1000 * 3600
    store.put([one("in the wrong future", wrong)], wrong)
    own.work(wrong + 3600)
    store.put([one("an hour back", wrong - 3600)], wrong - 3600)
    for _ in range(2):
        own.work(wrong - 3600)
    (line,) = lines
    assert line.startswith("the clock is 2.0 hours behind what it said before; until it has caught up")
    store.put([one("now", now)], now)
    own.work(now)
    assert "texts are counted as it says now" in lines[-1]
    store.put([one("a little later", now + 3600)], now + 3600)
    own.work(now + 7200)
    with store.begin() as connection:
        detector = own.detectors(connection)["all"]
        assert connection.execute(sql.select(sql.func.count()).where(TEXTS.c.judged)).scalar_one() == 4
    assert detector.last == int((now + 3600) // 3600)
    assert detector.texts == 2  # until the clock is seen to be right, texts are a thousand hours old, and only kept


def test_who_is_to_stop_leaves_what_waits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.apps.monitor.work.BLOCK", 16)
    store.put(stream(1, 6, SHARES), BEGIN)
    told = iter([False, False, True])
    assert worker(store, stopping=lambda: next(told)).work(BEGIN) == 32
    assert worker(store).work(BEGIN) > 0


def test_a_history_may_come_in_parts_before_anything_is_looked_at(store: Store) -> None:
    own = worker(store, alarm=COARSE, settled=10.0)
    items = stream(8, 6, SHARES)
    now = BEGIN + 9 * 86_400
    own.work(now)
    for start in range(0, len(items), 400):
        store.put(items[start : start + 400], now)
        own.work(now + 5)
    assert told(store) == []
    own.work(now + 10)
    assert told(store) == replayed(items)
    assert told(store) != []
    with store.begin() as connection:  # what is past is nobody's alarm
        assert connection.execute(sql.select(OUTBOX)).all() == []


def test_a_history_that_comes_while_there_is_nothing_to_judge_is_not_past_before_it_is_judged(store: Store) -> None:
    own = worker(store, alarm=COARSE)
    now = BEGIN + 9 * 86_400
    assert own.block() == 0
    store.put(items := stream(8, 6, SHARES), now)
    assert own.close(now) == []
    own.work(now)
    assert told(store) == replayed(items) != []


def test_a_new_monitor_whose_texts_never_pause_begins_to_look_all_the_same(store: Store) -> None:
    own = worker(store, settled=10.0)
    begin = BEGIN + 100 * 3600
    for second in range(0, int(PATIENT) + 60, 30):
        store.put([one(f"text {second}", begin + second)], begin + second)
        own.work(begin + second + 1)
        with store.begin() as connection:
            looks = store.fact(connection, CLOSED) is not None
        assert looks == (second + 1 >= PATIENT)


def test_a_database_that_is_locked_is_away_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    monkeypatch.setattr("danlu.apps.monitor.store.LOCKED", 0.05)
    file = tmp_path / "monitor.db"
    store = Store(f"sqlite:///{file}")
    items = stream(1, 6, SHARES)
    store.put(items[:50], BEGIN)
    own = worker(store)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unreachable, match="locked"):
        own.work(BEGIN)
    with pytest.raises(Unreachable):
        store.put(items, BEGIN)
    other.execute("ROLLBACK")
    other.close()
    assert store.put(items, BEGIN).known == 50
    assert own.work(BEGIN) == len(items)
    store.close()


def test_the_state_of_a_detector_is_kept_with_what_it_has_heard(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure between two writes of one transaction leaves neither."""
    own = worker(store)
    store.put(stream(3, 6, SHARES), BEGIN + 3 * 86_400)
    monkeypatch.setattr(store, "keep_fact", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        own.work(BEGIN + 4 * 86_400)
    with store.begin() as connection:
        assert connection.execute(sql.select(sql.func.sum(COUNTS.c.unheard))).scalar_one() > 100
        assert connection.execute(sql.select(FACTS)).all() == []
    monkeypatch.undo()
    own.work(BEGIN + 4 * 86_400)
    with store.begin() as connection:
        assert connection.execute(sql.select(sql.func.sum(COUNTS.c.unheard))).scalar_one() == 0
        assert own.detectors(connection)["all"].texts > 100


def test_names_of_leases_do_not_know_each_other(store: Store) -> None:
    assert leases.take(store, WORK, 5) is True
    assert leases.take(store, WORK, 5) is False
    assert leases.take(store, "another", 5) is True
    leases.leave(store, WORK)
    assert leases.take(store, WORK, 5) is True


def test_days_can_be_steps(store: Store) -> None:
    own = Worker(store, plain_judge(), DAILY, settled=0.0)
    store.put(stream(10, 6, SHARES), BEGIN + 10 * 86_400)
    own.work(BEGIN + 10 * 86_400)
    with store.begin() as connection:
        assert len(queries.trend(connection, "all", 0, 10**9)) == 10


def test_a_lease_is_kept_however_long_texts_are_judged(store: Store, tmp_path: Path) -> None:
    other = Store(f"sqlite:///{tmp_path / 'monitor.db'}")
    store.put(stream(1, 6, SHARES), BEGIN)
    own, rival = worker(store, lease=1.0), worker(other, lease=1.0)
    judge, took = own.judge.judge, list[int | None]()

    def slow(*arguments: object) -> object:
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            took.append(rival.block())
            threading.Event().wait(0.05)
        return judge(*arguments)  # type: ignore[arg-type]

    own.judge.judge = slow  # type: ignore[method-assign,assignment]
    assert own.block()
    assert took
    assert set(took) == {None}
    other.close()
