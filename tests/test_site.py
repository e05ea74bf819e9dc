"""The documentation site: it builds without a warning, all its links lead somewhere, and its search knows Chinese."""

import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
import started
from selectolax.lexbor import LexborHTMLParser

from danlu.cli.app import names
from danlu.cli.list import PROMISES
from danlu.cli.main import COMMANDS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[1]
OUTSIDE = re.compile(r"(https?://([\w.-]+\.[a-z]{2,}|127\.0\.0\.1(:\d+)?)(/\S*)?|mailto:\S+@\S+|data:\S+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = started.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return folder


@cache
def read(file: Path) -> LexborHTMLParser:
    return LexborHTMLParser(file.read_text("utf-8"))


@cache
def anchors(file: Path) -> frozenset[str]:
    return frozenset(node.attributes["id"] or "" for node in read(file).css("[id]"))


def pages(site: Path) -> list[Path]:
    found = [file for file in sorted(site.rglob("*.html")) if file.name != "404.html"]
    assert len(found) >= 150
    return found


def test_every_link_leads_to_a_page_a_file_or_an_anchor_that_is_there(site: Path) -> None:
    lost, seen = set(), 0
    for file in pages(site):
        nodes = [*read(file).css("[href]"), *read(file).css("[src]")]
        for link in {node.attributes.get("href") or node.attributes.get("src") or "" for node in nodes}:
            seen += 1
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                lost |= set() if OUTSIDE.fullmatch(link) else {(file.name, link)}
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            assert target.is_relative_to(site), f"{file}: {link} leads out of the site"
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in anchors(target)):
                lost.add((file.relative_to(site).as_posix(), link))
    assert seen > 5_000
    assert not lost


def test_nothing_is_fetched_from_outside(site: Path) -> None:
    for file in pages(site):
        fetched = [node.attributes.get("src") for node in read(file).css("script[src], img[src], iframe[src]")]
        fetched += [node.attributes.get("href") for node in read(file).css("link[href]")]
        assert not [link for link in fetched if link and urlsplit(link).netloc], file
    styles = "".join(file.read_text("utf-8") for file in site.rglob("*.css"))
    assert not re.search(r"(@import|url\()\s*['\"]?https?:", styles)


def test_each_page_exists_in_both_languages_and_leads_to_the_other(site: Path) -> None:
    english = [file.relative_to(site) for file in pages(site) if not file.is_relative_to(site / "zh")]
    for file in english:
        other = site / "zh" / file
        assert other.is_file()
        switch = read(site / file).css_first("link[rel=alternate][hreflang=zh]").attributes["href"]
        assert (site / file.parent / (switch or "")).resolve() == other
        assert read(other).css_first("html").attributes["lang"] == "zh"


def test_navigation_and_titles_are_chinese_on_chinese_pages(site: Path) -> None:
    tabs = [node.text(strip=True) for node in read(site / "zh/index.html").css(".md-tabs__link")]
    assert len(tabs) >= 6
    assert all(re.search(r"[一-鿿]", tab) for tab in tabs), tabs
    written = list((ROOT / "docs").rglob("*.zh.md"))
    assert len(written) >= 25
    for file in written:
        name = file.relative_to(ROOT / "docs").as_posix().removesuffix(".zh.md") + ".html"
        assert re.search(r"[一-鿿]", read(site / "zh" / name).css_first("h1").text()), name


def test_the_reference_has_every_part_with_its_keys_and_every_command(site: Path) -> None:
    """Parts are files of the folders that the page on architecture names, which its own tests hold to the code."""
    architecture = (ROOT / "docs/architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| `\w+` \| .* \| `(\S+/)` \| `danlu", architecture, re.MULTILINE)
    parts = {file.stem for row in rows for file in (ROOT / "src/danlu" / row).glob("[!_]*.py")}
    assert len(rows) == len(PROMISES)
    for language in (site, site / "zh"):
        described = set().union(*(anchors(language / f"reference/parts/{sort}.html") for sort in PROMISES))
        assert parts <= described
        lora = {node.text() for node in read(language / "reference/parts/method.html").css("td code")}
        assert {"rank", "alpha", "layer_decay"} <= lora
        assert set(COMMANDS) <= anchors(language / "reference/commands.html")
        assert set(names()) <= anchors(language / "reference/applications.html")
        options = {node.text() for node in read(language / "reference/commands.html").css("td code")}
        assert {"--processes", "--output", "--trials", "RECIPE"} <= options


def test_formulas_are_drawn_without_a_script(site: Path) -> None:
    assert all("arithmatex" not in file.read_text("utf-8") for file in pages(site))
    assert any(read(file).css_first("math msup, math mfrac") for file in pages(site))


def test_the_index_of_the_search_holds_chinese_words(site: Path) -> None:
    """Without jieba a Chinese sentence would be one word, and nothing would be found."""
    index = json.loads((site / "search/search_index.json").read_text("utf-8"))
    words = {
        word
        for entry in index["docs"]
        if entry["location"].startswith("zh/")
        for word in re.split(index["config"]["separator"].replace("(?!\\d)", ""), entry["title"] + entry["text"])
    }
    assert {"数据", "训练", "评测", "配方", "模型"} <= words


def test_a_chinese_word_is_found_in_a_browser_without_asking_anybody_else(site: Path, browser: "Browser") -> None:
    from playwright.sync_api import expect

    with served(site) as address, browser.new_page(locale="zh-CN") as page:
        wrong = list[str]()
        page.set_default_timeout(60_000)
        page.on("request", lambda each: None if each.url.startswith(address) else wrong.append(each.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"{address}/zh/index.html")
        page.locator("input.md-search__input").click()
        page.keyboard.type("增强器")
        found = page.locator(".md-search-result__link[href*='/zh/']")
        expect(found.first).to_be_visible(timeout=60_000)
        assert any("data.html" in (link.get_attribute("href") or "") for link in found.all())
    assert wrong == []


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing of it."""

    def log_message(self, *told: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder over HTTP while a block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
