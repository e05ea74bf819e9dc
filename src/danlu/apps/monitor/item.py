"""One text as it comes in, from wherever: made plain and bounded, and known again when it comes once more."""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, timezone
from typing import Any

from danlu.apps.monitor.dates import is_hour, read_day_and_time
from danlu.apps.monitor.negative import named, yes_or_no
from danlu.data.reading.html_text import text_of_html

LONGEST = 20_000
"""Characters of a text; the rest of it is left out, and that is told."""

TOPICS = 20
"""Topics of a text."""

_SHOWN = {"title": 500, "source": 200}
_NAMES = {"url": 2000, "id": 500}
"""Characters of what is shown, and of what is a name, in which nothing is HTML."""

_DATES = ("date", "time", "datetime", "published", "published_at", "pubdate", "timestamp", "created_at", "created")
_TOPIC = 100


_ENTITY = re.compile(r"&(#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});")


@dataclass(frozen=True)
class Item:
    """A text.

    - `id`: what its source calls it, else nothing; `date`: when it was written, as it says; None: it does not say.
    - `topics`, `negative`: what its source knows of it already; None: to be found out.
    - `cut`: whether the text was longer; `place`: the file it was read from, in which `id` may be the number of a row.
    - `unread`: whether its source says what the sentiment is, and that is not understood.
    """

    text: str
    title: str = ""
    source: str = ""
    url: str = ""
    id: str = ""
    date: float | None = None
    topics: tuple[str, ...] | None = None
    negative: bool | None = None
    cut: bool = False
    place: str = ""
    unread: bool = False

    @property
    def whole(self) -> str:
        """Title and text, once where they are the same."""
        return whole(self.title, self.text)

    @property
    def key(self) -> str:
        """By what it is known again: what its source calls it, else all that is said of it.

        A file may be written anew with other rows under the same names, so in one a name alone tells nothing.
        """
        said = [self.source, self.url, self.title, self.text]
        said += [] if self.date is None else [repr(self.date)]
        named = ["all", *said]
        if self.id:
            named = ["row", self.place, self.id, *said] if self.place else ["id", self.source, self.id]
        return hashlib.sha256("\0".join(named).encode("utf-8", "replace")).hexdigest()


def item_of(record: Mapping[str, Any], source: str = "", zone: timezone = UTC, place: str = "") -> Item | None:
    """The item of a record; None where there is no text in it.

    Read are `text` (or `content`), `title`, `source`, `url`, `id`, `date` (or `time`, `published`, `timestamp`,
    `created_at`), `topics` (a list, or names between semicolons), `negative` (yes or no) or `sentiment`, in small
    letters or capitals; `place` is the file it comes from, if it does.
    """
    record = {str(name).strip().lower(): value for name, value in record.items()} | dict(record)
    given = record.get("text") or record.get("content") or ""
    text = plain_text(given) if isinstance(given, str) else ""
    fields = {name: plain_text(_written(record.get(name)))[:most] for name, most in _SHOWN.items()}
    fields |= {name: _kept(_written(record.get(name)))[:most] for name, most in _NAMES.items()}
    text = text or fields["title"]
    if not text:
        return None
    fields["url"] = fields["url"].replace("&amp;", "&")
    hour = record.get("time") if is_hour(record.get("time")) else None
    date = next((record[name] for name in _DATES if told(record.get(name)) and record[name] is not hour), None)
    said = [record.get(name) for name in ("negative", "sentiment")]
    negative = yes_or_no(said[0])
    negative = named(said[1]) if negative is None else negative
    fields["source"] = fields["source"] or source
    return Item(
        text=text[:LONGEST],
        date=read_day_and_time(date, record.get("time"), zone),
        topics=topics_of(record.get("topics")),
        negative=negative,
        cut=len(text) > LONGEST,
        place=place,
        unread=negative is None and any(map(told, said)),
        **fields,
    )


def whole(title: str, text: str) -> str:
    """Title and text, once where they are the same."""
    return text if text.startswith(title) else f"{title}\n{text}"


def topics_of(value: Any) -> tuple[str, ...] | None:
    """Names of topics out of a list, or of a text that has them between semicolons; None where nothing is said."""
    if isinstance(value, str):
        value = value.replace("\uff1b", ";").split(";") if value.strip() else None
    if not isinstance(value, list | tuple):
        return None
    names = (plain_text(name)[:_TOPIC] for name in value if isinstance(name, str))
    return tuple(dict.fromkeys(name for name in names if name))[:TOPICS]


def plain_text(text: str) -> str:
    """A text that every database keeps: without zero bytes and halves of characters; of HTML what it shows."""
    if ("<" in text and ">" in text) or _ENTITY.search(text):
        text = text_of_html(text[: 10 * LONGEST])
    return _kept(text)


def told(value: Any) -> bool:
    """Whether anything is said; tables have no number where they are empty."""
    return value is not None and value != "" and not (isinstance(value, float) and math.isnan(value))


def _kept(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8").strip()


def _written(value: Any) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""
