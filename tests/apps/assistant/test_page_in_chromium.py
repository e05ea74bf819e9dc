"""The page and the widget in a real browser, in both languages; texts of customers and tickets are never markup."""

import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pages
import pytest
from playwright.sync_api import Browser, Page, expect
from servers import serving

from danlu.apps.assistant import routes
from danlu.apps.assistant.assistant import Assistant
from danlu.apps.assistant.folding import Entry
from danlu.apps.assistant.opening import opened
from danlu.apps.assistant.serving import site_of

EVIL = "<img src=x onerror=document.title='gone'><script>document.title='gone'</script>"
pytestmark = pages.needs_chromium


@pytest.fixture(scope="module")
def shop() -> Iterator[Callable[[str], str]]:
    """A function that gives the address of another website, whose page is a text."""
    pages: dict[str, str] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = pages.get(self.path, "").encode()
            self.send_response(200 if text else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_told: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()

    def page(text: str) -> str:
        path = f"/{len(pages)}"
        pages[path] = text
        return f"http://127.0.0.1:{server.server_port}{path}"

    try:
        yield page
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def live(
    learnt: Path, tmp_path_factory: pytest.TempPathFactory, shop: Callable[[str], str]
) -> Iterator[tuple[str, Assistant]]:
    folder = shutil.copytree(learnt, tmp_path_factory.mktemp("page") / "assistant")
    with opened(folder) as assistant:
        assistant.store.add([Entry("evil", f"Answer {EVIL}", EVIL, (f"What is {EVIL} zirconium",), 1)])
        assistant.refresh()
        origin = shop("x").rpartition("/")[0]
        site = site_of(assistant, origins=frozenset([origin]), say=lambda _line: None)
        with serving(site=site) as live:
            yield live.address, assistant


@pytest.fixture
def page(browser: Browser, live: tuple[str, Assistant], shop: Callable[[str], str]) -> Iterator[Page]:
    """The page of the assistant, or another that holds the widget."""
    origin = shop("x").rpartition("/")[0]
    with pages.opened(browser, live[0], inside=[origin, origin.replace("127.0.0.1", "localhost")]) as found:
        yield found


def test_a_conversation_the_desk_and_versions_in_english(page: Page, live: tuple[str, Assistant]) -> None:
    talk = page.locator("#view-talk")
    talk.get_by_label("Question").fill(f"zirconium what is {EVIL}")
    talk.get_by_label("Question").press("Enter")
    expect(talk.locator(".message.assistant p.written").first).to_have_text(f"Answer {EVIL}")
    assert talk.locator(".message.user .written").inner_text() == f"zirconium what is {EVIL}"
    talk.get_by_label("Question").fill("Do you sell boats?")
    talk.get_by_role("button", name="Ask", exact=True).click()
    expect(talk.get_by_text("handed over")).to_be_visible()
    page.get_by_role("link", name="Desk").click()
    desk = page.locator("#view-desk")
    card = desk.locator(".card", has_text="Do you sell boats?")
    expect(card).to_contain_text("2 questions in this conversation, 1 answered")
    card.get_by_role("button", name="Write the right answer").click()
    card.get_by_label("The right answer").fill("No boats, only lamps.")
    card.get_by_role("button", name="Keep it").click()
    expect(desk.get_by_text("Nothing waits.")).to_be_visible()
    page.get_by_role("link", name="Conversation").click()
    talk.get_by_role("button", name="New conversation").click()
    talk.get_by_label("Question").fill("Do you sell boats?")
    talk.get_by_label("Question").press("Enter")
    expect(talk.locator(".message.assistant p.written")).to_have_text("No boats, only lamps.")
    talk.get_by_role("button", name="Right", exact=True).click()
    expect(talk.get_by_text("Kept as right.")).to_be_visible()
    page.get_by_role("link", name="Versions").click()
    expect(page.locator("#view-versions tbody tr")).to_contain_text("serves")
    assert page.locator("main img, main script").count() == 0
    expect(page).to_have_title("danlu assistant · Versions")


def test_the_same_in_chinese(page: Page, live: tuple[str, Assistant]) -> None:
    page.goto(f"{live[0]}/#talk")
    page.get_by_role("button", name="中文").click()
    talk = page.locator("#view-talk")
    talk.get_by_label("问题").fill("怎样退货")
    talk.get_by_role("button", name="提问").click()
    expect(talk.locator(".message.assistant p.written").first).to_contain_text("收到商品 7 天内可以退货")
    expect(talk.locator(".message.assistant .facts").first).to_contain_text("历史答复")
    talk.get_by_role("button", name="转人工").click()
    expect(talk.locator(".message.assistant p.written").last).to_contain_text("已为您转接人工客服")
    page.get_by_role("link", name="工作台").click()
    desk = page.locator("#view-desk")
    card = desk.locator(".card", has_text="怎样退货")
    expect(card).to_contain_text("本次对话共 2 个问题，已回答 1 个")
    card.get_by_role("button", name="已处理").click()
    expect(card).to_have_count(0)
    page.get_by_role("link", name="版本").click()
    expect(page.locator("#view-versions tbody tr")).to_contain_text("当前")
    assert page.locator("html").get_attribute("lang") == "zh"


def test_done_at_the_desk_is_not_of_what_was_asked_since(page: Page, live: tuple[str, Assistant]) -> None:
    session = live[1].ask("Who casts anchors of bronze?").session
    page.goto(f"{live[0]}/#desk")
    card = page.locator("#view-desk .card", has_text="Who casts anchors of bronze?")
    card.get_by_role("button", name="Write the right answer").click()
    card.get_by_label("The right answer").fill("No anchors.")
    added = live[1].ask("And masts of oak?", session)
    card.get_by_role("button", name="Done").click()
    expect(page.locator("#view-desk").get_by_text("the customer has asked more since")).to_be_visible()
    expect(card).to_contain_text("And masts of oak?")
    card.get_by_role("button", name="Keep it").click()
    expect(card.get_by_role("button", name="Write the right answer")).to_be_visible()
    answer = live[1].ask("Who casts anchors of bronze?")
    assert answer.text == "No anchors."
    card.get_by_role("button", name="Done").click()
    expect(card).to_have_count(0)
    assert added.kind == "person"


def test_the_desk_tells_that_more_waits_than_it_shows(
    page: Page, live: tuple[str, Assistant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "LIST", 1)
    for question in ("Why do whales sing?", "When did Rome fall?"):
        live[1].ask(question)
    page.goto(f"{live[0]}/#desk")
    expect(page.locator("#view-desk")).to_contain_text("the newest 1 are shown")
    expect(page.locator("#view-desk .card", has_text="When did Rome fall?")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "Questions?",
                "Your question",
                "Send",
                "This does not help",
                "Thank you.",
                "Ask a person",
                "passed this on",
                "Please ask your question first.",
            ),
        ),
        (
            "zh",
            (
                "在线客服",
                "您的问题",
                "发送",
                "没帮助",
                "感谢您的反馈。",
                "转人工",
                "已为您转接人工客服",
                "请先写下您的问题。",
            ),
        ),
    ],
)
def test_the_widget_on_another_website(
    page: Page, live: tuple[str, Assistant], shop: Callable[[str], str], language: str, words: tuple[str, ...]
) -> None:
    opens, field, send, wrong, thanks, person, handed, unknown = words
    script = f'<script src="{live[0]}/widget.js" defer></script>'
    page.goto(
        shop(f'<!doctype html><html lang="{language}"><title>shop</title><body><p>lamps</p>{script}</body></html>')
    )
    page.get_by_role("button", name=opens).click()
    panel = page.get_by_role("dialog")
    panel.get_by_label(field).fill(f"zirconium what is {EVIL}")
    panel.get_by_role("button", name=send).click()
    expect(panel.locator(".us .text").last).to_have_text(f"Answer {EVIL}")
    panel.get_by_role("button", name=wrong).click()
    expect(panel.get_by_text(thanks)).to_be_visible()
    panel.get_by_role("button", name=person).click()
    expect(panel.locator(".us .text").last).to_contain_text(handed)
    with live[1].store.begin() as connection:
        connection.exec_driver_sql("UPDATE assistant_sessions SET seen = seen - 86400")
    panel.get_by_role("button", name=person).click()
    expect(panel.locator(".us .text", has_text=handed)).to_have_count(2)
    with live[1].store.begin() as connection:
        connection.exec_driver_sql("DELETE FROM assistant_sessions")
    panel.get_by_role("button", name=person).click()
    expect(panel.locator(".us .text").last).to_have_text(unknown)
    expect(panel.get_by_role("button", name=person)).to_have_count(0)
    assert panel.locator("img, script").count() == 0
    expect(page).to_have_title("shop")
    panel.press("Escape")
    expect(page.get_by_role("button", name=opens)).to_be_focused()


def test_a_website_that_was_not_named_gets_nothing(
    page: Page, live: tuple[str, Assistant], shop: Callable[[str], str]
) -> None:
    with live[1].store.begin() as connection:
        before = connection.exec_driver_sql("SELECT count(*) FROM assistant_turns").scalar_one()
    text = f'<!doctype html><html lang="en"><body><script src="{live[0]}/widget.js" defer></script></body></html>'
    page.goto(shop(text).replace("127.0.0.1", "localhost"))  # another website for a browser
    page.get_by_role("button", name="Questions?").click()
    page.get_by_label("Your question").fill("包邮吗")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".us .text").last).to_have_text("This could not be sent. Please try again.")
    expect(page.get_by_label("Your question")).to_have_value("包邮吗")
    with live[1].store.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM assistant_turns").scalar_one() == before
