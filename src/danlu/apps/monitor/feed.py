"""RSS and Atom, read by feedparser from bytes that were fetched, bounded and decoded here.

feedparser believes whatever charset is stated, and reads 2026年11月25日 as the first of November (6.0.14, 2026-11); so
the text is decoded by what its bytes are, and dates are read by `dates.py` first. It also gathers declarations out of
comments before the first element and makes them count, so nothing of what stands there is given to it.
"""

import calendar
import codecs
import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, timezone
from typing import Any
from urllib.parse import urljoin

from danlu.apps.monitor.dates import read_date
from danlu.apps.monitor.item import Item, item_of
from danlu.apps.monitor.sources import Given
from danlu.data.reading.charset import likeliest
from danlu.data.reading.lines import decoded
from danlu.machine.extra import needed
from danlu.machine.web import Failed, fetch
from danlu.refusal import Refusal, without_secrets

BYTES = 8 * 2**20
SECONDS = 30.0
ITEMS = 1000
"""Of a feed; the rest of it is left out, and that is told."""

FEW = 10
"""Other than English characters of UTF-8 for one that is damaged, from which on a feed is in it all the same."""
_WIDE = re.compile("[^\x00-\x7f\ufffd]")

NAME = 700
"""Characters of a name at most."""

_STATED = re.compile(r"^\s*<\?xml[^>]{0,200}\?>")
_CHARSET = re.compile(rb"""^.{0,4}<\?xml[^>]{0,200}encoding\s*=\s*["']([\w.:-]{1,40})["']""", re.DOTALL)
_APART = r"(?:\s|<\?.*?\?>|<!--.*?-->)*+"
_HEAD = re.compile(
    rf"""{_APART}(?:<!DOCTYPE(?:[^<>\["']++|"[^<>\["]*"|'[^<>\[']*')*+>{_APART})?""", re.DOTALL | re.IGNORECASE
)
"""What may stand before the first element: no declarations but the name of a kind of document."""
_ELEMENT = re.compile(r"<\w", re.ASCII)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NO_CHARSETS = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "utf-7")
"""Codecs of Python that no feed is written in, and that take quadratic time or hide what stands there."""

_ACCEPTED = "application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5"


@dataclass(frozen=True)
class Feed:
    """A feed by its address; `zone` is that of its dates that tell none."""

    url: str
    zone: timezone = UTC

    @property
    def name(self) -> str:
        """Its address, without secrets; where those are what tells it from another, with a mark of all of it."""
        shown = without_secrets(self.url)
        if shown == self.url and len(shown) <= NAME:
            return shown
        mark = hashlib.sha256(self.url.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"{shown[: NAME - 11]} ({mark})"

    @property
    def stamp(self) -> None:
        """None: it must be asked."""

    def fetch(self, mark: Any) -> Given | None:
        """Its items; None where it has not changed. Raises `Failed` where it cannot be had, or is no feed."""
        told = mark if isinstance(mark, dict) else {}
        headers = {"Accept": _ACCEPTED}
        headers |= {"If-None-Match": told["tag"]} if told.get("tag") else {}
        headers |= {"If-Modified-Since": told["changed"]} if told.get("changed") else {}
        page = fetch(self.url, headers, BYTES, SECONDS)
        if page.status == 304:
            return None
        stated = re.search(r"charset=[\"']?([\w.:-]{1,40})", page.headers.get("content-type", ""))
        items, said = read_feed(page.content, stated[1] if stated else None, self.name, self.zone, page.url)
        marks = {"tag": page.headers.get("etag", "")[:500], "changed": page.headers.get("last-modified", "")[:100]}
        return Given(items, marks, said)


def read_feed(
    content: bytes, stated: str | None, name: str, zone: timezone = UTC, url: str = ""
) -> tuple[list[Item], list[str]]:
    """The items of a feed at `url`, to which their addresses may be relative, and what a person should hear of it.

    Raises:
        Failed: it is none, or defines entities, with which a few bytes make gigabytes.
    """
    feedparser = needed("feedparser", "monitor", "reading feeds")
    text = text_of_feed(content, stated, name)
    text = _FORBIDDEN.sub("", _STATED.sub("", text.lstrip("\ufeff")))
    head = _HEAD.match(text)
    end = head.end() if head else 0
    if text.startswith("<!", end):
        raise Failed(f"{name}: defines entities or elements of its own, which no feed needs, and is not read")
    first = _ELEMENT.search(text, end)
    found = feedparser.parse(
        f'<?xml version="1.0" encoding="utf-8"?>{text[first.start() :] if first else ""}'.encode(),
        response_headers={"content-type": "application/xml; charset=utf-8"},
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    if not found.get("version") and not found.entries:
        raise Failed(f"{name}: is neither RSS nor Atom; check the address")
    called = [(entry, _id(entry)) for entry in found.entries[:ITEMS]]
    named = Counter(own for _, own in called)
    items = [_item(entry, name, zone, url, own if named[own] == 1 else "") for entry, own in called]
    kept, said = [item for item in items if item is not None], []
    if len(found.entries) > ITEMS:
        said.append(f"has {len(found.entries):,} entries, of which the first {ITEMS:,} are read")
    if len(kept) < len(items):
        said.append(f"{len(items) - len(kept)} entries hold no text, and are left out")
    return kept, said


def text_of_feed(content: bytes, stated: str | None, name: str) -> str:
    """The text of a feed by what its bytes are: UTF-8 where they can be, else as stated, else as it seems.

    Raises:
        Failed: they are in no encoding that is known.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    text = content.decode("utf-8-sig", "replace")
    damaged = text.count("\ufffd")
    if FEW * damaged <= len(_WIDE.findall(text)):  # cut within a character, as some programs shorten texts
        return text
    own = _CHARSET.match(content)
    for charset in (own[1].decode("ascii") if own else None, stated):
        try:
            if charset and codecs.lookup(charset).name not in _NO_CHARSETS:
                wider = "gb18030" if charset.lower() in ("gb2312", "gbk", "x-gbk", "cp936") else charset
                return content.decode(wider)
        except (UnicodeDecodeError, LookupError):
            pass
    try:
        return decoded(content, name)
    except Refusal:
        pass
    found = likeliest(content[: 2**14])
    if not found:
        raise Failed(f"{name}: is in no encoding that is known; it should be UTF-8")
    return content.decode(found, "replace")


def _id(entry: Any) -> str:
    """What an entry is called, else what it links to with its title: a page may tell one after the other.

    Its date is no part of that, as some programs tell that of the moment when they are asked.
    """
    if entry.get("id") or not entry.get("link"):
        return str(entry.get("id", ""))
    return f"{entry.link} {entry.get('title', '')}"


def _item(entry: Any, name: str, zone: timezone, url: str, called: str) -> Item | None:
    """An entry, `called` so unless others are as well."""
    bodies = [part.get("value", "") for part in entry.get("content", ()) if isinstance(part, dict)]
    record = {
        "text": max([*bodies, entry.get("summary", "")], key=len),
        "title": entry.get("title", ""),
        "url": _whole(entry.get("link", ""), url),
        "id": called,
        "date": _date(entry, zone),
    }
    return item_of(record, name, zone)


def _whole(link: str, url: str) -> str:
    """A link that may be told from the address of its feed; a name without any sign of an address is none."""
    try:
        return urljoin(url, link) if any(sign in link for sign in "/?.") else link
    except ValueError:  # such as of brackets that are not closed
        return link


def _date(entry: Any, zone: timezone) -> float | None:
    for word in ("published", "updated", "created"):
        read = read_date(entry.get(word), zone)
        if read is not None:
            return read
    parsed = entry.get("published_parsed") or entry.get("updated_parsed")
    written = entry.get("published") or entry.get("updated") or ""
    if parsed is None or any("\u4e00" <= sign <= "\u9fff" for sign in written):  # what it makes of those is wrong
        return None
    try:
        return float(calendar.timegm(parsed))
    except (ValueError, OverflowError, TypeError):
        return None
