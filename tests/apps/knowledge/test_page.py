"""The page in a browser that asks, follows, looks around, and runs no markup."""

import pytest
from pages import opened
from playwright.sync_api import Browser, Page, Route, expect


@pytest.mark.parametrize(
    ("locale", "asked", "document", "none", "around"),
    [
        ("en-GB", ["Who is the lifeguard?", "What did she do in 2011?"], "pool.md", "No answer.", "In the document"),
        ("zh-CN", ["听雨茶馆是谁创办的？", "它几点关门？"], "茶馆.md", "没有答案。", "查看文档"),
    ],
)
def test_questions_are_answered_with_the_passages_in_colour(
    browser: Browser, address: str, locale: str, asked: list[str], document: str, none: str, around: str
) -> None:
    with opened(browser, address, locale=locale) as page:
        _answered(page, address, asked, document, none, around)


def _answered(page: Page, address: str, asked: list[str], document: str, none: str, around: str) -> None:
    for number, question in enumerate([*asked, "量子力学 quantum?", "How is the vault of Morrow opened?"]):
        page.locator("#question").fill(question)
        page.locator("#question").press("Enter")
        page.locator(".turn").nth(number).wait_for()
    first, second, third, hostile = page.locator(".turn").all()
    mark = first.locator("mark")
    assert first.locator(".large").inner_text().startswith(mark.inner_text())
    assert document in first.locator(".passage h4").first.inner_text()
    assert mark.evaluate("node => getComputedStyle(node).backgroundColor") != "rgba(0, 0, 0, 0)"
    assert second.locator("mark").count() == 1
    assert none in third.inner_text()
    assert third.locator("mark").count() == 0
    assert '<b onclick="steal()">seven keys</b>' in hostile.locator("mark").inner_text()
    assert page.locator("main script, main img, main b[onclick]").count() == 0
    first.get_by_role("button", name=around).click()
    expect(first.locator(".around mark")).to_have_text(mark.inner_text())
    page.goto(f"{address}/#documents")
    expect(page.locator("#view-documents .names li")).to_have_count(13)
    page.locator("#view-documents button.main").click()
    expect(page.locator("#view-documents [role=status]")).to_contain_text("0")


@pytest.mark.parametrize(("locale", "anew"), [("en-GB", "Begin anew"), ("zh-CN", "重新开始")])
def test_begun_anew_during_a_question_the_old_ones_stay_away(
    browser: Browser, address: str, locale: str, anew: str
) -> None:
    with opened(browser, address, locale=locale) as page:
        page.locator("#question").fill("Who is the lifeguard?")
        page.locator("#question").press("Enter")
        page.locator(".turn").wait_for()
        held: list[Route] = []
        page.route("**/v1/ask", lambda route: held.append(route))  # noqa: PLW0108  it marks what it calls
        page.locator("#question").fill("茶馆几点关门？")
        with page.expect_request("**/v1/ask"):
            page.locator("#question").press("Enter")
        page.get_by_role("button", name=anew).click()
        expect(page.locator(".turn")).to_have_count(0)
        held[0].continue_()
        expect(page.locator(".turn h3")).to_have_text(["茶馆几点关门？"])
