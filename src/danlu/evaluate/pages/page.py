"""A page that stands alone: one HTML file, which needs no network and runs no script."""

from pathlib import Path

from danlu.evaluate.pages.markup import Html, element

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(title: str, body: Html, language: str) -> str:
    """The whole file; `language` is "en" or "zh"."""
    style = Html((Path(__file__).parent / "page.css").read_text(encoding="utf-8"))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} · danlu"),
        element("style", style),
    )
    whole = element("html", head, element("body", body), lang="zh-CN" if language == "zh" else "en")
    return f"<!doctype html>\n{whole}\n"
