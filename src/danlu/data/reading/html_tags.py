"""Tags of HTML, found as the tokenizer of the HTML Living Standard does (13.2.5), in time linear in the text.

Nothing goes back over what it has read: where one reading of a stretch ends is remembered for all that come to it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_BLOCK_NAMES = (
    "address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset figcaption "
    "figure footer form frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe legend li main menu nav noframes "
    "noscript ol optgroup option p pre search section select summary table tbody tfoot thead title tr ul"
)
BLOCKS = frozenset(_BLOCK_NAMES.split())
"""Where one of these begins or ends, a line ends."""

CELLS = frozenset(("td", "th"))

_INLINE_NAMES = (
    "a abbr acronym applet area audio b base basefont bdi bdo big button canvas cite code col colgroup data datalist "
    "del dfn em embed font frame i img input ins kbd label link map mark marquee meta meter nobr object output param "
    "picture progress q rp rt ruby s samp script slot small source span strike strong style sub sup svg template "
    "textarea time track tt u var video wbr"
)
INLINE = frozenset(_INLINE_NAMES.split())

_RAW = frozenset(("script", "style", "iframe", "noembed", "noframes", "xmp", "textarea", "title"))
"""Elements in which nothing is a tag but their own end."""

_BARE_NAMES = (
    "allowfullscreen async autofocus autoplay checked compact controls default defer disabled download formnovalidate "
    "hidden inert ismap itemscope loop multiple muted nohref nomodule noresize noshade novalidate nowrap open "
    "playsinline readonly required reversed selected"
)
_BARE_ATTRIBUTES = frozenset(_BARE_NAMES.split())
"""Attributes that stand without a value."""

_OTHER_NAMES = (
    "abbr accept accept-charset accesskey action align alink allow alt as autocapitalize autocomplete axis background "
    "bgcolor border bordercolor cellpadding cellspacing char charset cite class classid clear code codebase color cols "
    "colspan content contenteditable coords crossorigin data datetime decoding dir dirname draggable enctype "
    "enterkeyhint face fetchpriority for form formaction formenctype formmethod formtarget frame frameborder headers "
    "height high href hreflang hspace http-equiv id imagesizes imagesrcset inputmode integrity is itemid itemprop "
    "itemref itemtype kind label lang language link list loading longdesc low marginheight marginwidth max maxlength "
    "media method min minlength name nonce optimum part pattern ping placeholder popover popovertarget poster preload "
    "profile prompt property referrerpolicy rel rev role rows rowspan rules sandbox scheme scope scrolling shape size "
    "sizes slot span spellcheck src srcdoc srclang srcset start step style summary tabindex target text title "
    "translate type typemustmatch usemap valign value valuetype version viewbox vlink vspace width wrap xmlns"
)
_ATTRIBUTES = _BARE_ATTRIBUTES | frozenset(_OTHER_NAMES.split())
_OWN = ("data-", "aria-")
"""What names of attributes begin with that pages make up."""

_OPEN = re.compile(
    r"<(?:(?P<slash>/?)(?P<name>[A-Za-z][^\s/><]*+)(?!<)|(?P<comment>!--)|(?P<doctype>!doctype\b))", re.I
)
_TAG_END = re.compile(r"[\s/]*+>")
_ATTRIBUTE = re.compile(
    r"[\s/]*+(?:(?P<end>>)|(?P<name>[^\s/><][^\s/>=<]*+)(?:\s*+(?P<equals>=)\s*+(?P<quote>[\"']?))?)"
)
_UNQUOTED = re.compile(r"[^\s><]*+")
_DOCTYPE_END = re.compile("[^<>]*+>")
_COMMENT_END = re.compile("--!?>")


@dataclass(frozen=True, slots=True)
class HtmlMark:
    """A tag, with its content where that is no markup, a comment or the document's type, from `start` to `end`.

    - `name`: of the tag, in small letters; "" for what is none.
    - `closing`: whether it ends an element.
    - `likely`: whether it looks like HTML: it has no attributes, or one that HTML has, or one with a quoted value.
    - `content`: characters of what a script, a style, a title and the like hold; (0, 0) for other tags.
    """

    start: int
    end: int
    name: str = ""
    closing: bool = False
    likely: bool = True
    content: tuple[int, int] = (0, 0)


_Reading = tuple[int, bool] | None
"""Where a tag ends and whether an attribute on the way is likely one of HTML; None where no tag ends."""


def html_marks(text: str, wanted: Callable[[HtmlMark], bool], *, page: bool = False) -> Iterator[HtmlMark]:
    """The marks in a text, in order and apart; of one that is not `wanted` only its first `<` is passed over.

    What is not closed is text, as `<a` at the end; in a whole `page`, an open comment or script goes to the end.
    """
    readings: dict[int, _Reading] = {}
    endless: set[str] = set()
    """Comments and elements that are not closed in the rest of the text."""
    place = 0
    while found := _OPEN.search(text, place):
        start, place = found.start(), found.start() + 1
        mark = _mark(text, found, readings, endless, page)
        if mark is None or not wanted(mark):
            continue
        if mark.name in _RAW and not mark.closing:
            mark = _with_content(text, mark, endless, page)
        assert mark.end > start
        place = mark.end
        yield mark


def _mark(
    text: str, found: "re.Match[str]", readings: dict[int, _Reading], endless: set[str], page: bool
) -> HtmlMark | None:
    start = found.start()
    if found["comment"]:
        end = _found(_COMMENT_END, text, start + 2, "<!--", endless)
        return HtmlMark(start, end.end()) if end else HtmlMark(start, len(text)) if page else None
    if found["doctype"]:
        closed = _DOCTYPE_END.match(text, found.end())
        return HtmlMark(start, closed.end()) if closed else None
    name, closing = found["name"].lower(), bool(found["slash"])
    bare = _TAG_END.match(text, found.end())
    if bare:
        return HtmlMark(start, bare.end(), name, closing)
    reading = _attributes(text, found.end(), readings)
    return reading and HtmlMark(start, reading[0], name, closing, likely=reading[1] and not closing)


def _with_content(text: str, mark: HtmlMark, endless: set[str], page: bool) -> HtmlMark:
    """The mark of an element without markup in it, up to the end of its own end tag."""
    end = _found(re.compile(rf"</{mark.name}[\s/]*+>", re.IGNORECASE), text, mark.end, mark.name, endless)
    if end:
        return HtmlMark(mark.start, end.end(), mark.name, likely=mark.likely, content=(mark.end, end.start()))
    if page:
        return HtmlMark(mark.start, len(text), mark.name, likely=mark.likely, content=(mark.end, len(text)))
    return mark


def _found(pattern: "re.Pattern[str]", text: str, place: int, name: str, endless: set[str]) -> "re.Match[str] | None":
    """The next place of a pattern; what was looked for in vain is not looked for again."""
    found = None if name in endless else pattern.search(text, place)
    if found is None:
        endless.add(name)
    return found


def _attributes(text: str, place: int, readings: dict[int, _Reading]) -> _Reading:
    """How the attributes from `place` on end; every place on the way learns it."""
    passed: list[tuple[int, bool]] = []
    reading: _Reading = None
    while True:
        if place in readings:
            reading = readings[place]
            break
        found = _ATTRIBUTE.match(text, place)
        if found is not None and found["end"]:
            reading = found.end(), False
            break
        passed.append((place, found is not None and _is_likely(found)))
        place = -1 if found is None else _behind(text, found)
        if place < 0:
            break
    for at, likely in reversed(passed):
        if reading is not None:
            reading = reading[0], reading[1] or likely
        readings[at] = reading
    return reading


def _behind(text: str, attribute: "re.Match[str]") -> int:
    """Where an attribute and its value end; -1 for a quote that is not closed."""
    if attribute["quote"]:
        return text.find(attribute["quote"], attribute.end()) + 1 or -1
    if attribute["equals"]:
        value = _UNQUOTED.match(text, attribute.end())
        assert value is not None
        return value.end()
    return attribute.end()


def _is_likely(attribute: "re.Match[str]") -> bool:
    name = attribute["name"].lower()
    if attribute["quote"]:
        return True
    if attribute["equals"]:
        return name in _ATTRIBUTES or name.startswith((*_OWN, "on"))
    return name in _BARE_ATTRIBUTES or name.startswith(_OWN)
