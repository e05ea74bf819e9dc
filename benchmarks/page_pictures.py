"""Pictures of the page that `danlu serve` has at `/`, in both languages, for the documentation.

    python benchmarks/page_pictures.py news=runs/news/model stories=runs/stories/model ...

serves these bundles, drives the page in Chromium and writes docs/pictures/serve-VIEW-LANGUAGE.png. What is shown is
what these bundles answer; a view for which no bundle is given is left out. It needs the extra `test`, and Debian's
chromium.
"""

import argparse
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "serve"))

from servers import Live, serving  # noqa: E402

from danlu.serve.shelf import Shelf, place_of  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
CHROMIUM = "/usr/bin/chromium"
LANGUAGES = {"en": ("en-GB", "light"), "zh": ("zh-CN", "dark")}
SPANS = "王芳和李雷下周三从北京去成都，韩梅梅在西安等他们。"
TEA = ("How do I make tea?", "Boil the water, and let the leaves draw for three minutes.", "The train leaves at noon.")
TEA_ZH = ("怎么泡茶？", "水烧开，放茶叶，等三分钟。", "开往上海的列车中午发车。")
ALIKE = {"en": "\n".join([*TEA, *TEA_ZH]), "zh": "\n".join([*TEA_ZH, *TEA])}
REVIEW = "屏幕清晰，物流也很快，就是包装有点破。"
STORY = "Once upon a time, a little girl found a red kite in the garden."

Models = dict[str, list[dict[str, Any]]]


def predict(page: Page, models: Models) -> bool:
    """Spans in colour."""
    return asked(page, models.get("spans"), SPANS)


def similar(page: Page, models: Models) -> bool:
    """Vectors of texts."""
    return asked(page, models.get("vector"), ALIKE[page.evaluate("document.documentElement.lang")])


def asked(page: Page, found: list[dict[str, Any]] | None, text: str) -> bool:
    if not found:
        return False
    view = page.locator("#view-predict")
    view.locator("select").select_option(found[0]["id"])
    view.locator("textarea").fill(text)
    for _ in range(2):  # the first question of a network takes longer than all others
        view.locator("button.main").click()
        view.locator(".result[aria-busy=false] .plain").wait_for()
    return True


def chat(page: Page, models: Models) -> bool:
    """A text that a model goes on with."""
    writers = [model for each in models.values() for model in each if model["writes"]]
    if not writers:
        return False
    view = page.locator("#view-chat")
    view.locator("select").select_option(writers[0]["id"])
    view.locator("textarea:visible").fill(STORY)
    view.locator("button.main").click()
    view.locator(".facts .quiet").wait_for()
    return True


def compare(page: Page, models: Models) -> bool:
    """Two bundles of one kind."""
    two = next((each for form, each in models.items() if len(each) > 1 and form in ("label", "spans")), None)
    if two is None:
        return False
    view = page.locator("#view-compare")
    for place in (0, 1):
        view.locator("select").nth(place).select_option(two[place]["id"])
    view.locator("textarea").first.fill(REVIEW)
    view.locator("button.main").click()
    view.locator(".same").wait_for()
    return True


def live(page: Page, models: Models) -> bool:
    """What is counted while something is asked."""
    over = threading.Event()
    model = next(each[0] for form, each in models.items() if form in ("label", "spans", "vector"))
    address = page.url.split("#")[0]

    def ask(number: int) -> None:
        with httpx2.Client(base_url=address, timeout=30, trust_env=False) as client:
            step = 0
            while not over.wait(0.05 + 0.15 * ((step + number) % 4)):
                step += 1
                client.post("v1/predict", json={"model": model["id"], "text": SPANS[: 5 + step * 7 % 30]})

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    page.wait_for_timeout(24_000)
    over.set()
    for thread in threads:
        thread.join()
    return True


VIEWS: dict[str, tuple[str, Callable[[Page, Models], bool]]] = {
    "predict": ("predict", predict),
    "similar": ("predict", similar),
    "chat": ("chat", chat),
    "compare": ("compare", compare),
    "live": ("live", live),
}


def picture(browser: Browser, served: Live, name: str, language: str) -> None:
    """One view in one language."""
    view, show = VIEWS[name]
    locale, light = LANGUAGES[language]
    context = browser.new_context(locale=locale, color_scheme=light, viewport={"width": 1000, "height": 560})
    page = context.new_page()
    page.goto(f"{served.address}/#{view}")
    page.locator(f"#view-{view}").wait_for()
    models: Models = {}
    for model in page.request.get(f"{served.address}/v1/models").json()["data"]:
        models.setdefault(model["answers"], []).append(model)
    if show(page, models):
        page.evaluate("document.activeElement.blur()")
        path = PICTURES / f"serve-{name}-{language}.png"
        page.screenshot(path=path, full_page=True)
        print(path.relative_to(ROOT))
    context.close()


def main() -> None:
    """See the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", help="NAME=FOLDER")
    parser.add_argument("--only", choices=VIEWS, action="append", help="this view alone")
    given = parser.parse_args()
    PICTURES.mkdir(parents=True, exist_ok=True)
    shelf = Shelf([place_of(bundle) for bundle in given.bundles])
    shelf.open()
    with serving(shelf) as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name in given.only or VIEWS:
            for language in LANGUAGES:
                picture(browser, served, name, language)
        browser.close()
    shelf.close()


if __name__ == "__main__":
    main()
