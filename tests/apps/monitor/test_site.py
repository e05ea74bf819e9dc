"""The server of a monitor: what is pushed and asked, and its page in Chromium, in both languages."""

import html
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from monitor_streams import COARSE, plain_judge, stream
from pages import opened
from playwright.sync_api import Browser, Page, expect
from servers import serving

from danlu.apps.monitor.channels.webhook import Webhook
from danlu.apps.monitor.monitor import Monitor
from danlu.apps.monitor.settings import Settings
from danlu.apps.monitor.site import site_of
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import OUTBOX, SOURCES

SHARES = [(0.0, 0.15), (7.2, 0.9)]
MARKUP = "<img src=x onerror=alert(1)>"
DOWN = "feed: is neither RSS nor Atom; check the address"
DOWN_IN_CHINESE = "feed：既不是 RSS 也不是 Atom；请检查地址"


class Served:
    """A monitor behind a server; its time is after all texts of the stream."""

    def __init__(self, folder: Path) -> None:
        self.items = stream(8, 5, SHARES, 4)
        self.now = (self.items[-1].date or 0.0) + 3 * COARSE.step
        self.store = Store(f"sqlite:///{folder / 'monitor.db'}")
        self.lines: list[str] = []
        self.monitor = Monitor(
            self.store,
            Settings(alarm=COARSE),
            {"ops": Webhook(url="http://127.0.0.1:9/nobody")},
            plain_judge(),
            folder,
            say=self.lines.append,
            clock=lambda: self.now,
            pause=0.3,
        )
        self.monitor.worker.settled = 0.0
        self.monitor.outboxes[0].tries = 1

    def get(self, path: str, language: str = "en") -> httpx2.Response:
        with httpx2.Client(base_url=self.address, trust_env=False, verify=False, timeout=30) as client:
            return client.get(path, headers={"Accept-Language": language})

    def push(self, texts: list[Any]) -> httpx2.Response:
        with httpx2.Client(base_url=self.address, trust_env=False, verify=False, timeout=30) as client:
            return client.post("/v1/texts", json={"texts": texts})

    def until(self, path: str, done: Callable[[Any], bool]) -> Any:
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            told = self.get(path).json()
            if done(told):
                return told
            time.sleep(0.1)
        raise AssertionError(told)

    address: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = Served(tmp_path_factory.mktemp("monitor"))
    try:
        with serving(site=site_of(found.monitor)) as live:
            found.address = live.address
            texts = [
                {"text": item.text, "date": item.date, "topics": item.topics, "negative": item.negative}
                | {"source": html.escape(MARKUP)}
                for item in found.items
            ]
            assert found.push(texts).json()["new"] == len(texts)
            found.until("/v1/state", lambda told: not told["waiting"] and told["messages"].get("failed"))
            yield found
    finally:
        found.store.close()


def test_texts_are_pushed_once_and_odd_ones_are_refused_or_told(served: Served) -> None:
    text = {"text": "Delivery is late.", "id": 1, "date": "2999-01-01"}
    assert served.push([text, {"title": "only a title"}]).json() == {
        "new": 2, "known": 0, "undated": 1, "future": 1, "odd": 0, "cut": 0, "unread": 0,
    }  # fmt: skip
    assert served.push([text]).json()["known"] == 1
    for texts, code in {
        (): "invalid_value", ("x",): "invalid_value", (("text", 5),): "no_text",
    }.items():  # fmt: skip
        asked = [dict([each]) if isinstance(each, tuple) else each for each in texts]
        assert served.push(asked).json()["error"]["code"] == code
    assert served.push([{"text": "x"}] * 1025).status_code == 413


def test_topics_trends_and_alerts_are_told(served: Served) -> None:
    told = served.get("/v1/topics?days=30").json()
    topics = {row["topic"]: row for row in told["topics"]}
    assert set(topics) == {"all", "a", "b"}
    assert topics["b"]["level"] == pytest.approx(0.15, abs=0.05)
    trend = served.get("/v1/trend?days=30&topic=a").json()
    own = [item for item in served.items if item.topics == ("a",)]
    assert sum(point["texts"] for point in trend["points"]) == len(own)
    assert sum(point["negatives"] for point in trend["points"]) == sum(bool(item.negative) for item in own)
    raised = served.get("/v1/alerts?topic=a").json()["alerts"]
    assert [alert["told"]["direction"] for alert in raised] == ["up"]
    alert = served.get(f"/v1/alerts/{raised[0]['id']}").json()
    assert len(alert["texts"]) == min(50, alert["told"]["negatives"])
    known = {item.text for item in own if item.negative}
    assert {text["text"] for text in alert["texts"]} <= known
    for path in ("/v1/topics?days=0", "/v1/topics?days=x", "/v1/trend?days=99999999999"):
        assert served.get(path).json()["error"]["code"] == "invalid_value"
    for number in ("0", "x", "9" * 30, "-1"):
        assert served.get(f"/v1/alerts/{number}").status_code == 404
    assert served.get("/v1/trend?topic=none").json()["points"] == []


def test_why_something_failed_is_told_in_the_language_of_who_asks(served: Served) -> None:
    served.monitor.settings = Settings(feeds=["feed"], alarm=COARSE)
    with served.store.begin() as connection:
        row = {"name": "feed", "due": 9e9, "texts": 0, "failures": 1}
        connection.execute(SOURCES.insert().values(**row, error=DOWN))
    try:
        for language, wanted in (("en", DOWN), ("zh-CN,zh;q=0.9", DOWN_IN_CHINESE)):
            sources = served.get("/v1/state", language).json()["sources"]
            assert [each["error"] for each in sources if each["name"] == "feed"] == [wanted]
        english, chinese = (
            [
                message["error"]
                for alert in served.get("/v1/alerts", language).json()["alerts"]
                for message in alert["messages"]
            ]
            for language in ("en", "zh")
        )
        assert len(english) == len(chinese) > 0
        assert None not in english
        assert not set(english) & set(chinese)
    finally:
        served.monitor.settings = Settings(alarm=COARSE)
        with served.store.begin() as connection:
            connection.execute(SOURCES.delete().where(SOURCES.c.name == "feed"))


def test_while_the_database_is_away_texts_are_not_taken_and_it_is_told(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    monkeypatch.setattr("danlu.apps.monitor.store.LOCKED", 0.05)
    served.store.engine.dispose()
    other = sqlite3.connect(served.store.engine.url.database or "", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    answer = served.push([{"text": "while it is away"}])
    ends = time.monotonic() + 20
    while not any("nothing that was taken is lost" in line for line in served.lines) and time.monotonic() < ends:
        time.sleep(0.05)
    other.execute("ROLLBACK")
    other.close()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert any("nothing that was taken is lost" in line for line in served.lines)
    assert served.push([{"text": "while it is away"}]).json()["new"] == 1
    while not any("answers again" in line for line in served.lines) and time.monotonic() < ends + 20:
        time.sleep(0.05)
    assert any("answers again" in line for line in served.lines)


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        (
            "en-GB",
            ("all texts", "Negative share: a", "negative texts rise from", "The texts behind it", "given up", "State"),
        ),
        ("zh-CN", ("全部文本", "负面占比：a", "负面占比由", "其背后的文本", "次后放弃", "状态")),
    ],
)
def test_the_page_shows_trends_alerts_and_the_texts_behind_them(
    served: Served, browser: Browser, locale: str, words: tuple[str, ...]
) -> None:
    with opened(browser, served.address, locale=locale) as seen:
        _shown(seen, served.address, *words)


def _shown(
    seen: Page, address: str, everything: str, plot: str, rise: str, behind: str, given_up: str, state: str
) -> None:
    trends = seen.locator("#view-trends")
    trends.locator("select").select_option("30")
    expect(trends.get_by_role("button", name=everything)).to_have_attribute("aria-pressed", "true")
    trends.get_by_role("button", name="a", exact=True).click()
    expect(trends.get_by_role("img")).to_have_attribute("aria-label", re.compile(re.escape(plot)))
    expect(trends.locator(".mark")).to_have_count(1)
    seen.goto(f"{address}/#alerts")
    alerts = seen.locator("#view-alerts")
    alert = alerts.locator(".alert", has_text="a:").first
    expect(alert).to_contain_text(rise)
    expect(alert).to_contain_text(given_up)
    alert.get_by_role("button", name=behind).click()
    expect(alert.locator(".behind li").first).to_contain_text(MARKUP)
    seen.get_by_role("link", name=state).click()
    expect(seen.locator("#view-state .numbers .bad")).not_to_have_text("0")


def test_what_was_given_up_is_sent_once_more_on_demand(served: Served, browser: Browser) -> None:
    served.monitor.outboxes[0].tries = 5
    with opened(browser, served.address) as seen:
        seen.goto(f"{served.address}/#alerts")
        seen.locator("#view-alerts .alert").first.get_by_role("button", name="Send once more").click()
        expect(seen.locator("#view-alerts .alert").first).to_contain_text("waiting, ")
    with served.store.begin() as connection:
        assert connection.execute(OUTBOX.select().where(OUTBOX.c.state == "waiting")).all() != []
