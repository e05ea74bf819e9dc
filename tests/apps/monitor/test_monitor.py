"""A monitor that fetches feeds and ends when it is told to."""

import time
from pathlib import Path

import pytest
from monitor_streams import COARSE, plain_judge
from monitor_web import Web

from danlu.apps.monitor import monitor as module
from danlu.apps.monitor.monitor import Monitor
from danlu.apps.monitor.settings import Settings
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import SOURCES, TEXTS
from danlu.refusal import Refusal

FEED = (
    '<rss version="2.0"><channel><item><guid>{name}</guid><title>{name} 太差了</title></item>'
    "<item><title>{name} good</title></item></channel></rss>"
)


def test_feeds_are_fetched_side_by_side_and_one_that_is_down_holds_up_no_other(
    store: Store, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FEEDS_EVERY", 0.0)
    down = "/down"
    web.answer = lambda path, headers, body: (
        (500, {}, b"") if path == down else (200, {}, FEED.format(name=path).encode())
    )
    paths = [down, *(f"/{number}" for number in range(10))]
    settings = Settings(feeds=[f"{web.url}{path}" for path in paths], alarm=COARSE)
    lines: list[str] = []
    monitor = Monitor(store, settings, {}, plain_judge(), tmp_path, say=lines.append, pause=0.05)
    monitor.start()
    judged: list[bool] = []
    ends = time.monotonic() + 30
    while len(judged) < 20 and time.monotonic() < ends:
        time.sleep(0.05)
        with store.begin() as connection:
            judged = [row.negative for row in connection.execute(TEXTS.select().where(TEXTS.c.judged))]
    begun = time.monotonic()
    monitor.stop()
    assert time.monotonic() - begun < 10
    assert (len(judged), sum(judged)) == (20, 10)
    assert sorted(path for path, _, _ in web.asked) == sorted(paths)
    with store.begin() as connection:
        failures = {row.name: row.failures for row in connection.execute(SOURCES.select())}
    assert failures == {f"{web.url}{path}": int(path == down) for path in paths}
    assert sum("500" in line for line in lines) == 1
    assert sum("tell no time" in line for line in lines) == 10


def test_the_steps_of_a_database_stay_as_long_as_they_were(store: Store, tmp_path: Path) -> None:
    def opened(seconds: int) -> Monitor:
        alarm = COARSE.model_copy(update={"step": seconds})
        return Monitor(store, Settings(alarm=alarm), {}, plain_judge(), tmp_path)

    assert opened(1800).worker.alarm.step == 1800
    with pytest.raises(Refusal, match=r"counts in steps of 1800 seconds, and alarm\.step is 3600; set it to 1800"):
        opened(3600)
    assert opened(1800).worker.alarm.step == 1800
