"""HTML to the text that a reader of the page would see (tags and entities of the HTML Living Standard)."""

import re
from html import unescape
from html.entities import html5
from typing import ClassVar

from danlu.data.characters.alignment import Edit
from danlu.data.cleaning.cleaner import Editor
from danlu.data.reading.html_tags import BLOCKS, CELLS, INLINE, HtmlMark, html_marks

_ENTITY = re.compile(
    r"&(?:amp;)*(?P<entity>\#[0-9]{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});", re.IGNORECASE
)
_KNOWN = BLOCKS | CELLS | INLINE
_UNSEEN = frozenset(("script", "style"))


class Html(Editor):
    """Removes tags, comments, scripts and styles, and gives entities as their characters.

    Only the names of HTML are tags, alone or with an attribute of HTML, so that `a < b`, `if a <b and c> d`,
    `map<a, b>`, `List<String>`, `<think>` and `<e1>` stay. Where a block begins or ends, such as a paragraph or a list
    item, a line ends. What comes out as markup goes too.
    """

    sample: ClassVar[tuple[str, ...]] = ("<p>好<b>书</b>&nbsp;&amp;amp; 茶</p><!-- x -->", "1 &lt; 2<br/>三")

    def suspects(self, text: str) -> bool:
        """Whether there is a sign that markup begins with; see `Editor`."""
        return "<" in text or "&" in text

    def edits(self, text: str) -> list[Edit]:
        """Markup and what becomes of it; see `Editor`."""
        found: list[Edit] = []
        end = 0
        for mark in html_marks(text, _is_html):
            found += _entities(text, end, mark.start)
            found += _of_mark(text, mark)
            end = mark.end
        return found + _entities(text, end, len(text))

    def settled(self, text: str) -> list[Edit]:
        """Signs of markup that is nested deeper than any page's; see `Editor`."""
        return [(place, place + 1, "") for place, sign in enumerate(text) if sign in "<&"]


def _is_html(mark: HtmlMark) -> bool:
    return not mark.name or (mark.likely and mark.name in _KNOWN)


def _of_mark(text: str, mark: HtmlMark) -> list[Edit]:
    """A mark replaced; of a title and the like, the tags alone."""
    replacement = "\n" if mark.name in BLOCKS else " " if mark.name in CELLS else ""
    begin, end = mark.content
    if not end or mark.name in _UNSEEN:
        return [(mark.start, mark.end, replacement)]
    ended = (end, mark.end, replacement) if end < mark.end else None
    return [(mark.start, begin, replacement), *_entities(text, begin, end), *([ended] if ended else [])]


def _entities(text: str, start: int, end: int) -> list[Edit]:
    found = []
    for match in _ENTITY.finditer(text, start, end):
        name = match["entity"]
        if name[0] == "#" or f"{name};" in html5:  # `&nosuch;` is text
            found.append((*match.span(), unescape(f"&{name};")))
    return [edit for edit in found if edit[2] != text[edit[0] : edit[1]]]
