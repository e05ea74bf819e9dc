"""The page of code completion in a real browser, in both languages."""

import pytest
from pages import needs_chromium, opened, unlabelled
from playwright.sync_api import Browser, expect
from servers import Live

from danlu.apps.code.completion import Place

pytestmark = needs_chromium


SMALL = {"width": 800, "height": 900}


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
    with opened(browser, live.address, locale=locale, viewport=SMALL) as page:
        place, middle = gaps[1]
        page.get_by_label(before).fill(place.before)
        page.get_by_label(behind).fill(place.behind or "")
        page.get_by_label(path).fill(place.path)
        page.get_by_role("button", name=button, exact=True).click()
        page.get_by_role("heading", name=whole).wait_for()
        assert page.locator("pre.written").inner_text() == place.before + middle + (place.behind or "")
        assert page.locator("pre.written ins").inner_text() == middle
        expect(page.get_by_text(f"{live.address}/v1/completions").first).to_be_visible()
        assert unlabelled(page) == []


def test_a_model_that_fills_no_gaps_says_so(browser: Browser, without_gaps: Live) -> None:
    with opened(browser, without_gaps.address, viewport=SMALL) as page:
        page.get_by_text("This model goes on with code and fills no gaps.").wait_for()
        assert page.get_by_label("Behind the place").count() == 0
