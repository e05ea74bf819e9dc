"""When a text was written, out of what feeds, files and programs say of it; all times are seconds since 1970."""

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from danlu.data.splitting.times import MILLISECONDS, seconds_of

Told = Literal["told", "none", "future", "odd"]
"""How the time of a text is known: as it was told; or that it came, as none was told, or one that cannot be."""

AHEAD = 600.0
"""Seconds by which the clock of whoever dates a text may go ahead of ours."""

EARLIEST = 631_152_000.0
"""1990-01-01: what claims to be older is a clock that was not set."""

SHANGHAI = timezone(timedelta(hours=8))
"""Of dates that are written in Chinese and tell no zone."""

_NIGHT = "傍晚|晚上|晚间|深夜|半夜|午夜|夜里|夜间|晚|夜"
_PART = f"凌晨|清晨|早晨|早上|早间|上午|早|中午|正午|下午|午后|{_NIGHT}"
_HALF = r"(?<![A-Za-z])[AaPp]\.?[Mm](?![A-Za-z])\.?"
_CHINESE = re.compile(r"(\d{4})\s*年\s*(\d{1,2})\s*月\s*(\d{1,2})\s*[日号]?")
_CHINESE_TIME = re.compile(
    rf"({_PART}|{_HALF})?\s*(\d{{1,2}})\s*[:\uff1a时點点]\s*"
    rf"(?:(\d{{1,2}}|半)\s*[:\uff1a分]?\s*(?:(\d{{1,2}})\s*秒?)?)?\s*({_HALF})?"
)
_PARTS = re.compile(f"{_PART}|{_HALF}")
_UNREAD = re.compile(r"[一二三四五六七八九十两零]\s*[点點时]")
_ZONE = re.compile(r"(UTC|GMT|Z|[A-Z]{1,4}T)(?![A-Za-z])|[+-]\d")
_OURS = re.compile(r"(UTC|GMT)?\s*\+0?8(:?00)?(?!\d)")
_NUMBERS = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})"
    rf"(?:(?:[T\s]+|(?=\D))({_PART})?\s*(\d{{1,2}}):(\d{{2}})(?::(\d{{2}})(?:[.,]\d+)?)?\s*({_HALF})?"
    r"\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?"
)
_CHINA = re.compile(r":\d{2}\s+CST\b")
"""Java's name of the time of China, where the zone is that; RFC 5322 has America's in mind, 14 hours behind."""
_AFTER = re.compile(r"(?<=[\d\s])[AaPp]\.?[Mm]\.?(?=\s|$)")
_TOLD = re.compile(r":\d{2}\s+([+-]\d{4}|[A-Za-z][\w/+-]*)(?!\S)(?<![AaPp][Mm])")
_DIGITS = re.compile(r"\d{1,16}(\.\d+)?$|(19|20)\d{6}T")
_DAY = re.compile(r"(\d{4}(?:-\d{1,2}-|/\d{1,2}/|\.\d{1,2}\.)\d{1,2})(?:[T ]0?0:00(?::00(?:\.0+)?)?)?")
"""A day alone, also as tables write it, with the midnight that it begins at."""
_WORDS = re.compile(r"(?:[A-Za-z]{3,9}\.?,?\s+)?(?:\d{1,2}\s+[A-Za-z]{3,9}|[A-Za-z]{3,9}\s+\d{1,2},?)\s+\d{4}")
"""The same in English words."""
_HOUR = re.compile(rf"\s*(?:{_PART}|{_HALF})?\s*\d{{1,2}}\s*[:\uff1a时點点]")


def read_date(value: Any, zone: timezone = UTC) -> float | None:
    """The time that a text or number means; `zone` is that of a date without one that is not written in Chinese.

    Taken are ISO 8601, RFC 5322, `2026年11月25日 下午2:30`, `2026/11/25 2:30 PM`, `20261125` as text or number, and
    seconds or milliseconds since 1970; None for anything else, and where something follows that may tell another time.
    """
    text = value.strip()[:100] if isinstance(value, str) else ""
    if _DIGITS.match(text) or not isinstance(value, str):
        return None if 0 < len(text) < 8 else seconds_of(value, zone, MILLISECONDS)  # fewer digits are a year
    if found := _CHINESE.search(text):
        return _of_chinese(found)
    if found := _NUMBERS.match(text):
        return _of_numbers(found, zone)
    return _of_words(text, zone)


def read_day_and_time(day: Any, time: Any, zone: timezone = UTC) -> float | None:
    """The time that is told by a day, and by a time of it that stands beside, as in tables; one may tell both."""
    text = str(day).strip() if isinstance(day, str | int) else ""
    text = f"{text[:4]}-{text[4:6]}-{text[6:]}" if re.fullmatch(r"(19|20)\d{6}", text) else text
    alone, plain = _DAY.fullmatch(text), _CHINESE.fullmatch(text) or _WORDS.fullmatch(text)
    told = alone[1] if alone else text if plain else ""
    beside = time.strip() if isinstance(time, str) else ""
    own, joined = read_date(day, zone), read_date(f"{told} {beside}" if is_hour(beside) else beside, zone)
    return joined if joined is not None and (told or own is None) else own


def is_hour(value: Any) -> bool:
    """Whether a text begins with an hour, and so tells no day."""
    return isinstance(value, str) and _HOUR.match(value) is not None


def settled(date: float | None, now: float) -> tuple[float, Told]:
    """The time that a text is kept under, and how that is known."""
    if date is None:
        return now, "none"
    if not math.isfinite(date) or date < EARLIEST:
        return now, "odd"
    if date > now + AHEAD:
        return now, "future"
    return date, "told"


def _of_chinese(found: re.Match[str]) -> float | None:
    year, month, day = found.groups()
    rest = found.string[found.end() :]
    told = _CHINESE_TIME.search(rest)
    if told is None:
        return None if _UNREAD.search(rest) else _made(year, month, day, 0, None, None, SHANGHAI)
    part, hour, minute, second, half = told.groups()
    before, after = rest[: told.start()], rest[told.end() :].strip()
    if _ZONE.match(after) and not _OURS.match(after):
        return None
    if part is None and half is None and int(hour) <= 12 and _PARTS.search(before):
        return None  # which half of the day is told, and not read
    minute = "30" if minute == "半" else minute
    return _made(year, month, day, _hours(part or half, hour), minute, second, SHANGHAI)


def _of_numbers(found: re.Match[str], zone: timezone) -> float | None:
    year, month, day, part, hour, minute, second, half, told = found.groups()
    if found.end() < len(found.string):
        return None
    if told in ("Z", "UTC", "GMT"):
        zone = UTC
    elif told:
        digits = told[1:].replace(":", "")
        minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
        if minutes >= 24 * 60:
            return None
        zone = timezone(timedelta(minutes=-minutes if told[0] == "-" else minutes))
    return _made(year, month, day, _hours(part or half, hour or "0"), minute, second, zone)


def _of_words(text: str, zone: timezone) -> float | None:
    half = _AFTER.search(text)
    try:
        moment = parsedate_to_datetime(text if half is None else text[: half.start()] + text[half.end() :])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    hours = _hours(half[0] if half else None, str(moment.hour))
    if hours is None:
        return None
    if _CHINA.search(text) and zone.utcoffset(None) == SHANGHAI.utcoffset(None):
        moment = moment.replace(tzinfo=SHANGHAI)
    told = _TOLD.search(text)
    if moment.tzinfo is None and told is not None:
        if told[1] != "-0000":  # a time of the world, of whose place nothing is known (RFC 5322)
            return None
        zone = UTC
    return _seconds(moment.replace(hour=hours, tzinfo=moment.tzinfo or zone))


def _hours(part: str | None, hour: str) -> int | None:
    """The hour of a day that one of a part of it is, 24 for the midnight after it; None where that is not plain."""
    hours = int(hour)
    if part is None:
        return hours
    if part[0] in "aA凌":
        return hours % 12 if hours <= 12 else None
    if part in ("中午", "正午"):
        return hours + 12 if hours < 3 else hours
    if part[0] in "pP" or part in ("下午", "午后"):
        return hours + 12 if hours < 12 else hours
    if part in _NIGHT.split("|"):
        return None if hours < 5 else hours + 12 if hours <= 12 else hours  # one at night may be of the next day
    return hours


def _made(
    year: str, month: str, day: str, hour: int | None, minute: str | None, second: str | None, zone: timezone
) -> float | None:
    if hour is None or hour > 24:
        return None
    try:
        given = datetime(
            int(year), int(month), int(day), hour % 24, int(minute or 0), int(second or 0) % 60, tzinfo=zone
        )
        return _seconds(given + timedelta(days=hour // 24))
    except (ValueError, OverflowError):
        return None


def _seconds(moment: datetime) -> float | None:
    try:
        return moment.timestamp()
    except (OverflowError, ValueError, OSError):
        return None
