"""The page of the writer in a real browser, in both languages."""

from collections.abc import Iterator

import pytest
from pages import needs_chromium, opened, unlabelled
from playwright.sync_api import Browser, Page, expect
from servers import Live

pytestmark = needs_chromium


@pytest.fixture
def page(browser: Browser, live: Live, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page in a language."""
    with opened(browser, live.address, locale=request.param, viewport={"width": 800, "height": 900}) as found:
        yield found


@pytest.mark.parametrize("page", ["zh-CN"], indirect=True)
def test_a_chinese_reader_writes_drafts_with_words_and_sees_why(page: Page) -> None:
    page.get_by_label("关键词").fill("书<img>")
    page.get_by_label("必须出现的词").fill("物流、art")
    page.get_by_label("至多").fill("8")
    page.get_by_text("更多设置").click()
    page.get_by_label("草稿数").fill("2")
    page.get_by_role("button", name="生成草稿").click()
    page.get_by_text("第 1 稿").wait_for()
    text = page.locator(".answer .written").first.inner_text()
    assert "物流" in text
    assert "art" in text.lower()
    expect(page.locator(".answer").first.get_by_text("物流：已出现")).to_be_visible()
    expect(page.locator(".answer").first.locator(".bars li")).to_have_count(4)
    page.get_by_text("模型读到的内容").click()
    expect(page.locator("pre").first).to_contain_text("关键词：书<img>")
    assert page.locator("main img").count() == 0


@pytest.mark.parametrize("page", ["en-GB"], indirect=True)
def test_an_english_reader_tries_an_example_and_reads_what_was_refused(page: Page) -> None:
    page.get_by_role("button", name="Write drafts").click()
    expect(page.get_by_role("alert")).to_contain_text("nothing is asked for; give keywords")
    page.locator(".chip").nth(1).click()
    expect(page.get_by_label("Keywords")).to_have_value("lamp, soft")
    expect(page.get_by_label("Must-have words")).to_have_value("lamp, waterproof")
    assert page.get_by_label("Tone").locator("option").first.inner_text() == "any"
    page.get_by_label("At most").fill("1")
    page.get_by_role("button", name="Write drafts").click()
    expect(page.get_by_role("alert")).to_contain_text("the words alone have 2 words, and at_most is 1")
    assert unlabelled(page) == []
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("heading", level=2).first).to_have_text("写作")
