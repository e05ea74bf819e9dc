"""When a text was written, out of what feeds, files and programs say of it; all times are seconds since 1970."""

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Literal

Told = Literal["told", "none", "future", "odd"]
"""How the time of a text is known: as it was told; or that it came, as none was told, or one that cannot be."""

AHEAD = 600.0
"""Seconds by which the clock of whoever dates a text may go ahead of ours."""

EARLIEST = 631_152_000.0
"""1990-01-01: what claims to be older is a clock that was not set."""

SHANGHAI = timezone(timedelta(hours=8))
"""Of dates that are written in Chinese and tell no zone."""

_CHINESE = re.compile(
    r"(\d{4})\s*年\s*(\d{1,2})\s*月\s*(\d{1,2})\s*[日号]?"
    r"(?:[^\d上下晚中凌早]*(凌晨|早上|上午|中午|下午|晚上)?\s*(\d{1,2})\s*[:\uff1a时點点]\s*(?:(\d{1,2})\s*[:\uff1a分]?\s*(?:(\d{1,2})\s*秒?)?)?)?"
)
_NUMBERS = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})"
    r"(?:[T\s]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?"
)
_DIGITS = re.compile(r"\d{1,16}(\.\d+)?")


def read_date(value: Any, zone: timezone = UTC) -> float | None:
    """The time that a text or number means; `zone` is that of a date without one that is not written in Chinese.

    Taken are ISO 8601, RFC 5322, `2026年11月25日 14:30`, `2026/11/25`, and seconds or milliseconds since 1970; None for
    anything else.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _of_number(float(value))
    text = value.strip()[:100] if isinstance(value, str) else ""
    if _DIGITS.fullmatch(text):
        return _of_number(float(text)) if len(text) >= 9 else None  # fewer digits are a year, or a day
    if found := _CHINESE.search(text):
        return _of_chinese(found)
    if found := _NUMBERS.match(text):
        return _of_numbers(found, zone)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return _seconds(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def settled(date: float | None, now: float) -> tuple[float, Told]:
    """The time that a text is kept under, and how that is known."""
    if date is None:
        return now, "none"
    if not math.isfinite(date) or date < EARLIEST:
        return now, "odd"
    if date > now + AHEAD:
        return now, "future"
    return date, "told"


def _of_number(number: float) -> float | None:
    if not math.isfinite(number):
        return None
    return number / 1000 if number > 1e11 else number  # 1e11 seconds are the year 5138


def _of_chinese(found: re.Match[str]) -> float | None:
    year, month, day, part, hour, minute, second = found.groups()
    hours = int(hour or 0)
    if part in ("下午", "晚上") and hours < 12:
        hours += 12
    if part == "中午" and hours < 3:
        hours += 12
    return _made(year, month, day, hours, minute, second, SHANGHAI)


def _of_numbers(found: re.Match[str], zone: timezone) -> float | None:
    year, month, day, hour, minute, second, told = found.groups()
    if told in ("Z", "UTC", "GMT"):
        zone = UTC
    elif told:
        minutes = int(told[1:3]) * 60 + int(told[-2:])
        if minutes >= 24 * 60:
            return None
        zone = timezone(timedelta(minutes=-minutes if told[0] == "-" else minutes))
    return _made(year, month, day, int(hour or 0), minute, second, zone)


def _made(
    year: str, month: str, day: str, hour: int, minute: str | None, second: str | None, zone: timezone
) -> float | None:
    try:
        given = datetime(
            int(year), int(month), int(day), hour % 24, int(minute or 0), int(second or 0) % 60, tzinfo=zone
        )
    except ValueError:
        return None
    return _seconds(given + timedelta(days=hour // 24) if hour == 24 else given) if hour <= 24 else None


def _seconds(moment: datetime) -> float | None:
    try:
        return moment.timestamp()
    except (OverflowError, ValueError, OSError):
        return None
