"""HTML to the text that a reader of the page would see (tags and entities of the HTML Living Standard)."""

import re
from html import unescape
from html.entities import html5
from typing import ClassVar

from danlu.data.alignment import Edit
from danlu.data.cleaner import Editor

_BLOCKS = (
    "address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset "
    "figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe legend li main "
    "menu nav noframes noscript ol optgroup option p pre search section select summary table tbody tfoot thead "
    "title tr ul "
)
_CELLS = "td th"
_INLINE = (
    "a abbr acronym applet area audio b base basefont bdi bdo big button canvas cite code col colgroup data "
    "datalist del dfn em embed font frame i img input ins kbd label link map mark marquee meta meter nobr "
    "object output param picture progress q rp rt ruby s samp script slot small source span strike strong "
    "style sub sup svg template textarea time track tt u var video wbr "
)
_NAMES = "|".join(sorted(f"{_BLOCKS} {_CELLS} {_INLINE}".split(), reverse=True))

_PATTERN = re.compile(
    r"<!--[^-<]*+(?:(?!-->|<!--).[^-<]*+)*+-->"
    r"|<(?P<hidden>script|style)\b[^<>]*+>[^<]*+(?:(?!</?(?P=hidden)\b)<[^<]*+)*+</(?P=hidden)\s*+>"
    r"|<!doctype\b[^<>]*+>"
    rf"|<(?P<slash>/?)(?P<name>{_NAMES})(?![\w:-])(?:[^<>\"']|\"[^\"<]*+\"|'[^'<]*+'|[\"'])*?>"
    r"|&(?:amp;)*(?P<entity>\#[0-9]{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});",
    re.IGNORECASE | re.DOTALL,
)
_BROKEN_LINE = frozenset(_BLOCKS.split())
_SPACED = frozenset(_CELLS.split())


class Html(Editor):
    """Removes tags, comments, scripts and styles, and gives entities as their characters.

    Only the names of HTML are tags, so that `a < b`, `List<String>`, `<think>` and `<e1>` stay. Where a block
    begins or ends, such as a paragraph or a list item, a line ends. What comes out as markup goes too.
    """

    sample: ClassVar[tuple[str, ...]] = ("<p>好<b>书</b>&nbsp;&amp;amp; 茶</p><!-- x -->", "1 &lt; 2<br/>三")

    def suspects(self, text: str) -> bool:
        """Whether there is a sign that markup begins with; see `Editor`."""
        return "<" in text or "&" in text

    def edits(self, text: str) -> list[Edit]:
        """Markup and what becomes of it; see `Editor`."""
        return [
            (*match.span(), replacement)
            for match in _PATTERN.finditer(text)
            if (replacement := _replacement(match)) != match[0]
        ]

    def settled(self, text: str) -> list[Edit]:
        """Signs of markup that is nested deeper than any page's; see `Editor`."""
        return [(place, place + 1, "") for place, sign in enumerate(text) if sign in "<&"]


def _replacement(match: re.Match[str]) -> str:
    if entity := match["entity"]:
        if entity[0] != "#" and f"{entity};" not in html5:
            return match[0]  # `&nosuch;` is text
        return unescape(f"&{entity};")
    name = (match["name"] or "").lower()
    return "\n" if name in _BROKEN_LINE else " " if name in _SPACED else ""
