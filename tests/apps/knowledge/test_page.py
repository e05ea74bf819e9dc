"""The page: every word in two languages, and a browser that asks, follows, looks around, and runs no markup."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect, sync_playwright

import danlu.apps.knowledge
import danlu.serve

FOLDER = Path(danlu.apps.knowledge.__file__).parent / "page"
CODE = "\n".join(path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.js")) if "words" not in path.stem)
LINE = re.compile(r'^  (\w+): \[\s*("(?:[^"\\]|\\.)*"),\s*("(?:[^"\\]|\\.)*"),?\s*\],$', re.MULTILINE)
CHROMIUM = Path("/usr/bin/chromium")


def words(path: Path) -> dict[str, tuple[str, str]]:
    text = path.read_text(encoding="utf-8")
    found = {name: (json.loads(one), json.loads(other)) for name, one, other in LINE.findall(text)}
    assert len(found) == len(re.findall(r"^  \w+: \[", text, re.MULTILINE))
    return found


def test_every_word_is_in_both_languages_asked_for_and_no_other_meaning_of_a_common_one() -> None:
    own, common = words(FOLDER / "knowledge_words.js"), words(Path(danlu.serve.__file__).parent / "page" / "words.js")
    for name, (english, chinese) in own.items():
        assert english.isascii() or "…" in english, name
        assert re.search("[\u4e00-\u9fff]", chinese), name
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", chinese)), name
    asked = {name for call in re.findall(r"\bt\(([^)]*)", CODE) for name in re.findall(r'"(\w+)"', call.split("{")[0])}
    asked |= {name for name in own if name.startswith(("how_", "why_", "way_"))}
    assert own.keys() <= asked | {"opening", "questions", "documents"}
    assert asked <= own.keys() | common.keys()
    assert not own.keys() & common.keys()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}; Debian's package is chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


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
    wrong: list[str] = []
    context = browser.new_context(locale=locale, reduced_motion="reduce")
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on("request", lambda sent: None if sent.url.startswith(address) else wrong.append(sent.url))
    page.goto(address)
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
    context.close()
    assert wrong == []


@pytest.mark.parametrize(("locale", "anew"), [("en-GB", "Begin anew"), ("zh-CN", "重新开始")])
def test_begun_anew_during_a_question_the_old_ones_stay_away(
    browser: Browser, address: str, locale: str, anew: str
) -> None:
    context = browser.new_context(locale=locale, reduced_motion="reduce")
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto(address)
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
    context.close()
