"""The page in a real browser, in both languages: a list with reasons, what is done, the dial, a new item."""

import httpx2
import pytest
from pages import needs_chromium, opened
from playwright.sync_api import Browser, Page, expect

pytestmark = needs_chromium

WORDS = {
    "en-GB": {
        "user": "User",
        "recommend": "Recommend",
        "share": "Share",
        "because": "Because you shared “",
        "nothing": "Nothing yet",
        "done": "It counts from now on.",
        "dial": "Diversity 0.8",
        "items": "Items",
        "name": "Name, for programs",
        "title": "Title",
        "text": "Text",
        "offer": "Offer",
        "offered": "It is offered from now on.",
        "interests": "Interests, in words",
        "fits": "It fits your interests",
    },
    "zh-CN": {
        "user": "用户",
        "recommend": "推荐",
        "share": "转发",
        "because": "因为你转发过《",
        "nothing": "暂无",
        "done": "已生效",
        "dial": "多样性 0.8",
        "items": "内容",
        "name": "编号（供程序使用）",
        "title": "标题",
        "text": "正文",
        "offer": "登记",
        "offered": "已登记",
        "interests": "兴趣（文字描述）",
        "fits": "符合你的兴趣",
    },
}


@pytest.mark.parametrize("locale", list(WORDS))
def test_a_new_user_is_known_by_what_he_does_and_a_new_item_by_its_text(
    browser: Browser, served: httpx2.Client, locale: str
) -> None:
    with opened(browser, str(served.base_url).rstrip("/"), locale=locale) as page:
        _known(page, WORDS[locale], locale)


def _known(page: Page, words: dict[str, str], locale: str) -> None:
    view = page.locator("#view-for_you")
    view.get_by_label(words["user"], exact=True).fill(f"<b>guest</b> {locale}")
    view.get_by_role("button", name=words["recommend"], exact=True).click()
    expect(view).to_contain_text(words["nothing"])
    titles = view.locator(".listed h3")
    bike = view.locator(".listed li", has_text="bike").first
    first = bike.locator("h3").inner_text()
    bike.get_by_role("button", name=words["share"]).click()
    expect(view.locator(".told")).to_contain_text(words["done"])
    expect(view.locator(".because", has_text=f"{words['because']}{first}").first).to_be_visible()
    assert first not in titles.all_inner_texts()
    expect(view.locator(".history li")).to_have_count(1)
    plain = titles.all_inner_texts()
    view.locator("input[type=range]").fill("0.8")
    expect(view).to_contain_text(words["dial"])
    expect(titles.first).to_have_text(plain[0])
    expect(titles).not_to_have_text(plain)

    page.get_by_role("link", name=words["items"]).click()
    offered = page.locator("#view-items form").first
    offered.get_by_label(words["name"]).fill(f"fresh {locale}")
    offered.get_by_label(words["title"]).fill(f"<i>雪山</i> glacier {locale}")
    offered.get_by_label(words["text"]).fill("雪山 冰川 crampons")
    offered.get_by_role("button", name=words["offer"]).click()
    expect(offered).to_contain_text(words["offered"])
    page.go_back()
    view.locator("input[type=range]").fill("0")
    view.get_by_label(words["interests"]).fill("冰川 crampons")
    view.get_by_role("button", name=words["recommend"], exact=True).click()
    found = view.locator(".listed li", has_text=f"<i>雪山</i> glacier {locale}")
    expect(found.locator(".because")).to_contain_text(words["fits"])
