"""HTML whose text cannot break out: whatever is not `Html` already is escaped where it is put in."""

import html
import re

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_EMPTY_ELEMENTS = {"meta", "line", "circle", "rect", "path", "polyline"}


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def escaped(value: object) -> Html:
    """A value as text of a page; control characters and broken surrogates become U+FFFD."""
    return value if isinstance(value, Html) else Html(html.escape(_CONTROL.sub("\ufffd", str(value))))


def element(name: str, /, *children: object, **attributes: object) -> Html:
    """An element; `class_` stands for `class`, `_` in a name for `-`, and attributes that are None are left out."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_CONTROL.sub(chr(0xFFFD), str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY_ELEMENTS and not children:
        return Html(f"<{name}{told}>" if name == "meta" else f"<{name}{told}/>")
    return Html(f"<{name}{told}>{''.join(map(escaped, children))}</{name}>")


def together(*pieces: object) -> Html:
    """Pieces one after the other."""
    return Html("".join(map(escaped, pieces)))


def section(title: object, *children: object, identity: str | None = None) -> Html:
    """A part of the page under a heading."""
    return element("section", element("h2", title), *children, id=identity)


def figure(caption: object, *children: object) -> Html:
    """A drawing or a table with what it shows written above it."""
    return element("figure", element("figcaption", caption), *children)


def facts(pairs: list[tuple[str, str]]) -> Html:
    """Short names with large values."""
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in pairs))


def table(head: list[object], rows: list[list[object]], *, class_: str | None = None) -> Html:
    """A table; cells that are numbers in text stand to the right by the style sheet of their column."""
    top = element("thead", element("tr", *(element("th", cell, scope="col") for cell in head)))
    body = [element("tr", *(cell if is_cell(cell) else element("td", cell) for cell in row)) for row in rows]
    return element("div", element("table", top, element("tbody", *body), class_=class_), class_="wide")


def is_cell(value: object) -> bool:
    """Whether it is a cell of a table already."""
    return isinstance(value, Html) and value.startswith(("<td", "<th"))


def cell(value: object, class_: str | None = "number") -> Html:
    """A cell of a table, of a number as a rule."""
    return element("td", value, class_=class_)
