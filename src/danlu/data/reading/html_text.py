"""The text of an HTML page, a line a paragraph.

No tree is made: that takes quadratic time on elements that are nested deeply, whoever makes it (lexbor 0.05 s for 5,000
`<div>`, 0.17 s for 10,000; 2026-11), and all that a tree would tell is what is not shown.
"""

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from html import unescape

from danlu.data.reading.html_tags import HtmlMark, html_marks
from danlu.data.reading.lines import NO_TEXT, decoded

_UNSEEN = frozenset(("noscript", "template", "svg"))
_NO_TEXT = frozenset(("script", "style", "iframe", "noembed", "noframes"))
_OF_HEAD = frozenset(("html", "head", "base", "link", "meta", "title", "script", "style", "noscript", "template"))
_BLOCK_NAMES = (
    "address article aside blockquote br dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header "
    "hr li main nav ol p pre section table td th tr ul title caption option"
)
_BLOCKS = frozenset(_BLOCK_NAMES.split())

_META = re.compile(rb"<meta\b[^>]{0,1000}>", re.IGNORECASE)
_CHARSET = re.compile(rb"""[\s;"']charset\s*=\s*["']?\s*([\w-]+)""", re.IGNORECASE)
_LATIN = ("iso8859_1", "ascii")
"""Whose names mean Windows-1252 on a page (WHATWG Encoding), which has signs where these have none."""
_WIDE = ("utf_16", "utf_32", "utf_7")
"""What no page is in that states it: in these the statement could not be read, or no browser reads them."""
_LONG_NUMBER = re.compile("&#[0-9]{8,}+;?")


def text_of_html(page: str) -> str:
    """What a page shows: scripts, styles and tags left out, a line for each block, white space made one space."""
    blocks = (" ".join("".join(block).split()) for block in _blocks(page))
    return "\n".join(block for block in blocks if block)


def _blocks(page: str) -> Iterator[list[str]]:
    """The pieces of text of each block."""
    block: list[str] = []
    unseen, depth, in_head, end = "", 0, True, 0
    for mark in html_marks(page, lambda _: True, page=True):
        if not unseen:
            block.append(_shown(page[end : mark.start]))
        in_head = in_head and not _ends_head(mark, block)
        end = mark.end
        if mark.name in _UNSEEN and (not unseen or unseen == mark.name):
            depth = max(0, depth + (-1 if mark.closing else 1)) if page[mark.end - 2] != "/" else depth
            unseen = mark.name if depth else ""
        elif unseen == "svg" and mark.name in _BLOCKS and mark.name != "title":
            unseen, depth = "", 0  # such a tag ends a drawing that was left open
        if unseen:
            continue
        if mark.name in _BLOCKS:
            yield block
            block = []
        if mark.content[1] and mark.name not in _NO_TEXT and not (mark.name == "title" and in_head):
            block.append(_shown(page[slice(*mark.content)]))
            if mark.name in _BLOCKS:
                yield block
                block = []
    if not unseen:
        block.append(_shown(page[end:]))
    yield block


def _ends_head(mark: HtmlMark, block: list[str]) -> bool:
    """Whether the head of a page is over: by its end, by text, or by a tag that stands in none."""
    return (
        (bool(mark.name) and mark.name not in _OF_HEAD)
        or any(map(str.strip, block[-1:]))
        or (mark.name == "head" and mark.closing)
    )


def _shown(text: str) -> str:
    """Text with its entities as characters; numbers that no character has are shown as such, however long."""
    return unescape(_LONG_NUMBER.sub("\ufffd", text)) if "&" in text else text


def stated_charset(content: bytes) -> str | None:
    """The encoding that a page states in a `meta` at its beginning, by its name in Python.

    None for one that it cannot be in; what is stated of a form or a script is not of the page.
    """
    found = next((told for meta in _META.finditer(content[:4096]) if (told := _CHARSET.search(meta[0]))), None)
    try:
        name = codecs.lookup(found[1].decode("ascii")).name.replace("-", "_") if found else None
    except LookupError:
        return None
    if name is None or name in NO_TEXT or name.startswith(_WIDE):
        return None
    return "cp1252" if name in _LATIN else name


def decoded_page(content: bytes, name: str, encoding: str = "auto") -> str:
    """A page with its markup, in the encoding that it states, if it is in that.

    Raises:
        Refusal: it is not of one encoding.
    """
    marked = content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # which says more
    if encoding == "auto" and not marked and (stated := stated_charset(content)):
        if stated == "cp1252" and not content.isascii():  # in which all can be, and much that is UTF-8 is said to be
            with suppress(UnicodeDecodeError):
                return content.decode()
        try:
            return content.decode(stated, "replace" if stated == "cp1252" else "strict")
        except (LookupError, UnicodeError):
            pass  # many pages state an encoding that they are not in, or what is none of text
    return decoded(content, name, encoding)


def title_of_html(page: str) -> str:
    """The title of a page; empty where it has none."""
    found = next(html_marks(page, lambda mark: mark.name == "title" and not mark.closing, page=True), None)
    return " ".join(_shown(page[slice(*found.content)]).split()) if found else ""
