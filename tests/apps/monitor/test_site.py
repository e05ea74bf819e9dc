"""The server of a monitor: what is pushed and asked, and its page in Chromium, in both languages."""

import asyncio
import html
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from monitor_streams import COARSE, plain_judge, stream
from playwright.sync_api import Page, expect, sync_playwright

from danlu.apps.monitor.channels.webhook import Webhook
from danlu.apps.monitor.monitor import Monitor
from danlu.apps.monitor.settings import Settings
from danlu.apps.monitor.site import site_of
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import OUTBOX
from danlu.serve.app import app_of
from danlu.serve.limits import Limits
from danlu.serve.service import Service
from danlu.serve.shelf import Shelf

CHROMIUM = Path("/usr/bin/chromium")
SHARES = [(0.0, 0.15), (7.2, 0.9)]
MARKUP = "<img src=x onerror=alert(1)>"


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

    def get(self, path: str) -> httpx2.Response:
        with httpx2.Client(base_url=self.address, trust_env=False, timeout=30) as client:
            return client.get(path)

    def push(self, texts: list[Any]) -> httpx2.Response:
        with httpx2.Client(base_url=self.address, trust_env=False, timeout=30) as client:
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
    service = Service(Shelf(()), Limits())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        told = uvicorn.Config(app_of(service, site=site_of(found.monitor)), log_config=None, access_log=False)
        server = uvicorn.Server(told)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
        thread.start()
        found.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        texts = [
            {"text": item.text, "date": item.date, "topics": item.topics, "negative": item.negative}
            | {"source": html.escape(MARKUP)}
            for item in found.items
        ]
        assert found.push(texts).json()["new"] == len(texts)
        found.until("/v1/state", lambda told: not told["waiting"] and told["messages"].get("failed"))
        yield found
        server.should_exit = True
        thread.join(20)
    found.store.close()


def test_texts_are_pushed_once_and_odd_ones_are_refused_or_told(served: Served) -> None:
    text = {"text": "Delivery is late.", "id": 1, "date": "2999-01-01"}
    assert served.push([text, {"title": "only a title"}]).json() == {
        "new": 2, "known": 0, "undated": 1, "future": 1, "odd": 0, "cut": 0,
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


@pytest.fixture(scope="module")
def page(served: Served) -> Iterator[Callable[[str], Page]]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}; Debian's package is chromium")
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

        def opened(locale: str) -> Page:
            context = browser.new_context(locale=locale, reduced_motion="reduce")
            context.set_default_timeout(20_000)
            found = context.new_page()
            found.on("pageerror", lambda error: wrong.append(str(error)))
            found.on("dialog", lambda dialog: wrong.append(dialog.message))
            found.on("console", lambda said: wrong.append(said.text) if "Security Policy" in said.text else None)
            found.on(
                "request", lambda asked: wrong.append(asked.url) if not asked.url.startswith(served.address) else None
            )
            found.goto(served.address)
            return found

        yield opened
        browser.close()
    assert wrong == []


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
    served: Served, page: Callable[[str], Page], locale: str, words: tuple[str, ...]
) -> None:
    everything, plot, rise, behind, given_up, state = words
    seen = page(locale)
    trends = seen.locator("#view-trends")
    trends.locator("select").select_option("30")
    expect(trends.get_by_role("button", name=everything)).to_have_attribute("aria-pressed", "true")
    trends.get_by_role("button", name="a", exact=True).click()
    expect(trends.get_by_role("img")).to_have_attribute("aria-label", re.compile(re.escape(plot)))
    expect(trends.locator(".mark")).to_have_count(1)
    seen.goto(f"{served.address}/#alerts")
    alerts = seen.locator("#view-alerts")
    alert = alerts.locator(".alert", has_text="a:").first
    expect(alert).to_contain_text(rise)
    expect(alert).to_contain_text(given_up)
    alert.get_by_role("button", name=behind).click()
    expect(alert.locator(".behind li").first).to_contain_text(MARKUP)
    seen.get_by_role("link", name=state).click()
    expect(seen.locator("#view-state .numbers .bad")).not_to_have_text("0")
    seen.context.close()


def test_what_was_given_up_is_sent_once_more_on_demand(served: Served, page: Callable[[str], Page]) -> None:
    served.monitor.outboxes[0].tries = 5
    seen = page("en-GB")
    seen.goto(f"{served.address}/#alerts")
    seen.locator("#view-alerts .alert").first.get_by_role("button", name="Send once more").click()
    expect(seen.locator("#view-alerts .alert").first).to_contain_text("waiting, ")
    seen.context.close()
    with served.store.begin() as connection:
        assert connection.execute(OUTBOX.select().where(OUTBOX.c.state == "waiting")).all() != []
