"""The page in a real browser: what it answers, in which language and light, by keyboard, and whom it asks."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import needs_chromium
from playwright.sync_api import Browser, BrowserContext, Page, expect
from servers import Live, serving, shelved

from danlu.serve.keys import Key, hash_of
from danlu.serve.routes import chat
from danlu.serve.shelf import Place, Shelf

KINDS = ("classify", "tag", "answer", "embed", "chat", "causal_lm")
pytestmark = needs_chromium


@pytest.fixture(scope="module")
def live(tiny_bundle: Callable[[str], Path]) -> Iterator[Live]:
    places = [Place(kind, str(tiny_bundle(kind)), threads=1) for kind in KINDS]
    with shelved(places) as shelf, serving(shelf) as found:
        yield found


Opened = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, live: Live) -> Iterator[Opened]:
    """A function that opens a view; in the end nothing has gone outside and no policy was broken."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def open_(view: str = "predict", address: str = live.address, wait: bool = True, **settings: Any) -> Page:
        context = browser.new_context(**{"locale": "en-GB", "reduced_motion": "reduce", **settings})
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()

        def guarded(route: Any) -> None:
            if not route.request.url.startswith(address + "/"):
                wrong.append(route.request.url)
            route.continue_()

        page.route("**/*", guarded)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Security Policy" in said.text else None)
        page.goto(f"{address}/#{view}")
        if wait:
            page.locator(f"#view-{view} select").first.wait_for()
        return page

    try:
        yield open_
    finally:
        for context in contexts:
            context.close()
    assert wrong == []


def asked(page: Page, model: str, **fields: str) -> Any:
    view = page.locator("#view-predict")
    view.get_by_role("combobox").select_option(model)
    for name, value in fields.items():
        view.get_by_label(name, exact=True).fill(value)
    view.get_by_role("button", name="Ask").click()
    view.locator(".result .plain").wait_for()
    return view.locator(".result")


def test_a_label_has_bars_spans_have_colours_an_answer_its_context_and_texts_are_alike(
    opened: Opened, live: Live
) -> None:
    page = opened()
    told = live.post("/v1/predict", {"model": "classify", "text": "这本书"}).json()["predictions"][0]
    result = asked(page, "classify", text="这本书")
    assert result.locator(".large").inner_text() == told["label"]
    bars = result.locator(".bars li")
    assert {each.split("\n")[0].split(" (")[0] for each in bars.all_inner_texts()} == set(told["scores"])
    widths = [each.get_attribute("style") for each in result.locator(".track span").all()]
    assert len({*widths}) == 2
    text = "😀李白<script>alert(1)</script>生于碎叶城。"
    spans = live.post("/v1/predict", {"model": "tag", "text": text}).json()["predictions"][0]["entities"]
    marks = asked(page, "tag", text=text).locator(".marked mark")
    assert spans
    assert [mark.evaluate("node => node.firstChild.data") for mark in marks.all()] == [span["text"] for span in spans]
    assert page.locator("main script").count() == 0
    result = asked(page, "answer", context="李白生于碎叶城。", question="生于哪里？")
    assert result.locator(".marked mark").inner_text() == result.locator(".large").inner_text()
    result = asked(page, "embed", text="这本书\n物流\n这本书")
    assert result.locator(".bars li").first.inner_text().split("\n")[0] == "3. 这本书"
    assert result.locator(".bars .value").first.inner_text() == "1.000"


def test_a_conversation_streams_is_stopped_on_the_server_too_and_begins_anew(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, stopped = threading.Event(), threading.Event()
    as_it_is = chat.streamed

    async def slowly(*given: Any) -> AsyncGenerator[Any, None]:
        pieces = as_it_is(*given)
        try:
            async for piece in pieces:
                yield piece
                if begun.is_set():
                    await asyncio.Event().wait()  # the rest comes never, unless somebody stops it
                begun.set()
        finally:
            await pieces.aclose()
            stopped.set()

    page = opened("chat")
    view = page.locator("#view-chat")
    view.get_by_label("Message").fill("<img src=x onerror=alert(1)>")
    with monkeypatch.context() as patch:
        patch.setattr(chat, "streamed", slowly)
        view.get_by_label("Message").press("Enter")
        expect(view.get_by_role("log")).to_have_attribute("aria-busy", "true")
        expect(view.locator(".message.assistant .written")).not_to_be_empty()
        view.get_by_role("button", name="Stop").click()
        assert stopped.wait(10)
        expect(view.get_by_role("log")).to_contain_text("Stopped.")
    assert view.locator(".message.user .written").inner_text() == "<img src=x onerror=alert(1)>"
    assert page.locator("main img").count() == 0
    view.get_by_role("button", name="Begin anew").click()
    view.get_by_text("Say something").wait_for()
    view.get_by_text("How it is written").click()
    view.get_by_label("Most tokens").fill("8")
    view.get_by_label("Message").fill("书")
    view.get_by_role("button", name="Send").click()
    view.get_by_text("8 tokens").wait_for()
    expect(view.get_by_label("Message")).to_be_focused()


def test_a_text_goes_on_and_two_models_stand_side_by_side(opened: Opened) -> None:
    page = opened("chat")
    view = page.locator("#view-chat")
    view.get_by_role("combobox").select_option("causal_lm")
    view.get_by_label("Text to go on with").fill("这本书")
    view.get_by_role("button", name="Go on").click()
    view.get_by_text("tokens,").wait_for()
    assert view.locator(".goes-on .written").inner_text().startswith("这本书")
    page.get_by_role("link", name="Compare").click()
    view = page.locator("#view-compare")
    view.get_by_label("Left", exact=True).select_option("classify")
    view.get_by_label("Right", exact=True).select_option("tag")
    view.locator(".chip").first.click()
    view.get_by_role("button", name="Ask").click()
    expect(view.get_by_role("region").locator(".plain")).to_have_count(2)
    assert view.get_by_role("region", name="Left: classify").locator(".bars").count() == 1


def test_it_speaks_chinese_and_english_and_is_dark_where_that_is_wanted(opened: Opened) -> None:
    page = opened(locale="zh-CN", color_scheme="dark", viewport={"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.lang") == "zh"
    expect(page.get_by_role("heading", level=2)).to_have_text("预测")
    expect(page.locator("body")).to_have_css("background-color", "rgb(24, 23, 21)")
    for view in ("chat", "compare", "live", "predict"):
        page.goto(f"{page.url.split('#')[0]}#{view}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("Predict")
    page.get_by_label("Light or dark").select_option("light")
    expect(page.locator("body")).to_have_css("background-color", "rgb(251, 250, 247)")
    page.reload()
    expect(page.get_by_role("heading", level=2)).to_have_text("Predict")  # as it was chosen


def test_all_of_it_can_be_done_by_keyboard(opened: Opened) -> None:
    page = opened()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")  # the model
    page.keyboard.press("c")  # the first of that letter
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        if page.evaluate("document.activeElement.tagName") == "TEXTAREA":
            break
    page.keyboard.type("这本书")
    page.keyboard.press("Control+Enter")
    page.locator("#view-predict .result .plain").wait_for()
    page.get_by_role("link", name="Live").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Live")).to_be_focused()
    names = page.evaluate(
        "[...document.querySelectorAll('input, select, textarea')].filter(e => !e.labels.length).map(e => e.outerHTML)"
    )
    assert names == []


def test_a_refusal_is_shown_as_its_sentence_and_figures_are_drawn(opened: Opened, live: Live) -> None:
    page = opened()
    view = page.locator("#view-predict")
    view.get_by_role("combobox").select_option("answer")
    view.get_by_role("button", name="Write it as JSON").click()
    view.get_by_label("JSON", exact=True).fill('{"context": "书"}')
    view.get_by_role("button", name="Ask").click()
    said = live.post("/v1/predict", {"model": "answer", "records": [{"context": "书"}]}).json()["error"]["message"]
    expect(view.get_by_role("alert")).to_contain_text(said)
    view.get_by_label("JSON", exact=True).fill("{")
    view.get_by_role("button", name="Ask").click()
    view.get_by_text("This is no JSON").wait_for()
    page.goto(f"{live.address}/#live")
    expect(page.locator("#view-live .good")).to_have_text("ready")
    expect(page.locator("#view-live svg")).to_have_count(5)


def test_a_key_is_asked_for_and_forgotten_with_the_tab_unless_it_is_to_stay(
    opened: Opened, tiny_bundle: Callable[[str], Path]
) -> None:
    shelf = Shelf([Place("classify", str(tiny_bundle("classify")), threads=1)])
    shelf.open()
    with serving(shelf, keys=(Key(name="page", sha256=hash_of("the-right-one")),)) as locked:
        page = opened(address=locked.address, wait=False)
        page.get_by_label("Key", exact=True).fill("a-wrong-one")
        page.get_by_role("button", name="Use this key").click()
        expect(page.get_by_role("alert")).to_have_text("this key is not known here")
        page.get_by_label("Key", exact=True).fill("the-right-one")
        page.get_by_role("button", name="Use this key").click()
        asked(page, "classify", text="这本书")
        assert page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])") == "[{},{}]"
    shelf.close()
