"""The page of code completion in a real browser, in both languages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from servers import Live

from danlu.apps.code.completion import Place

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}; Debian's package is chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


def opened(browser: Browser, server: Live, locale: str) -> Page:
    context = browser.new_context(locale=locale, reduced_motion="reduce", viewport={"width": 800, "height": 900})
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(server.address)
    page.get_by_role("heading", level=2).first.wait_for()
    return page


@pytest.mark.parametrize(
    ("locale", "before", "behind", "path", "button", "whole"),
    [
        ("zh-CN", "光标之前", "光标之后", "文件路径", "补全", "补全后的代码"),
        ("en-GB", "Before the place", "Behind the place", "Path of the file", "Complete", "The code with it"),
    ],
)
def test_a_gap_is_filled_and_the_code_stands_whole(
    browser: Browser, live: Live, gaps: list[tuple[Place, str]],
    locale: str, before: str, behind: str, path: str, button: str, whole: str,
) -> None:  # fmt: skip
    page = opened(browser, live, locale)
    place, middle = gaps[1]
    page.get_by_label(before).fill(place.before)
    page.get_by_label(behind).fill(place.behind or "")
    page.get_by_label(path).fill(place.path)
    page.get_by_role("button", name=button, exact=True).click()
    page.get_by_role("heading", name=whole).wait_for()
    assert page.locator("pre.written").inner_text() == place.before + middle + (place.behind or "")
    assert page.locator("pre.written ins").inner_text() == middle
    expect(page.get_by_text(f"{live.address}/v1/completions").first).to_be_visible()
    names = page.evaluate(
        "[...document.querySelectorAll('input, select, textarea')].filter(e => !e.labels.length).map(e => e.outerHTML)"
    )
    assert names == []
    page.context.close()


def test_a_model_that_fills_no_gaps_says_so(browser: Browser, without_gaps: Live) -> None:
    page = opened(browser, without_gaps, "en-GB")
    page.get_by_text("This model goes on with code and fills no gaps.").wait_for()
    assert page.get_by_label("Behind the place").count() == 0
    page.context.close()
