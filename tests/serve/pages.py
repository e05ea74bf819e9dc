"""Pages that are open in Chromium, and what must not happen in them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page, Response

CHROMIUM = Path("/usr/bin/chromium")
needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}; Debian's package is chromium"
)


@contextmanager
def launched() -> "Iterator[Browser]":
    """A browser, ended with the block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield found
        finally:
            found.close()


@contextmanager
def opened(
    browser: "Browser", address: str, *, inside: Sequence[str] = (), locale: str = "en-GB", **settings: Any
) -> "Iterator[Page]":
    """The page of an address.

    In the end no script has failed or called for attention, no policy was broken, no file of the page was missing, and
    nobody was asked but the server and those that are `inside`.
    """
    wrong: list[str] = []
    own = tuple(f"{each}/" for each in (address, *inside))

    def answered(response: "Response") -> None:
        if response.status >= 400 and "/page/" in response.url:
            wrong.append(f"{response.status} {response.url}")

    def called(dialog: "Dialog") -> None:
        wrong.append(dialog.message)
        dialog.dismiss()

    context = browser.new_context(locale=locale, reduced_motion="reduce", **settings)
    try:
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", called)
        page.on("console", lambda said: wrong.append(said.text) if _is_wrong(said.type, said.text) else None)
        page.on("request", lambda asked: None if asked.url.startswith(own) else wrong.append(asked.url))
        page.on("response", answered)
        page.goto(address)
        yield page
    finally:
        context.close()
    assert wrong == []


def _is_wrong(kind: str, text: str) -> bool:
    """Whether a line of the console tells of a mistake; that a request was refused is told by the page itself."""
    refused = text.startswith("Failed to load resource") or "blocked by CORS policy" in text
    return "Security Policy" in text or (kind == "error" and not refused)


def unlabelled(page: "Page") -> list[str]:
    """Fields that have no label, for who hears the page."""
    code = (
        "[...document.querySelectorAll('input, select, textarea')].filter(e => !e.labels.length).map(e => e.outerHTML)"
    )
    found: list[str] = page.evaluate(code)
    return found
