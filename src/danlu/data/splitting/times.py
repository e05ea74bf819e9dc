"""Points in time as data have them, as numbers that can be compared."""

import math
import re
from datetime import UTC, date, datetime, timezone
from typing import Any

MILLISECONDS = 1e11
"""From here on a number of seconds since 1970 is one of milliseconds: in seconds it would be the year 5138."""

_DATE = re.compile(
    r"(?P<year>\d{4})(?P<between>[-/.年])(?P<month>\d{1,2})(?:(?P=between)|月)(?P<day>\d{1,2})日?"
    r"(?:[T\s]*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?)?"
)
_COMPACT = re.compile(
    r"(?P<year>(?:19|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)(?:T?(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?)?"
)

_DIGITS = re.compile(r"\d{8}|\d{14}")


def seconds_of(value: Any, zone: timezone = UTC, milliseconds: float = math.inf) -> float | None:
    """Seconds since 1970 of a date, or whatever a number counts; None for what is no time.

    Dates may be those of ISO 8601, `2024/5/31`, `2024年5月31日`, `20240531` as text or number, with a time of day or
    not; a date without a zone is in `zone`, on any machine. A number from `milliseconds` on is divided by 1,000.
    """
    if isinstance(value, date):
        return _seconds(value if isinstance(value, datetime) else datetime(value.year, value.month, value.day), zone)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, int) and value.bit_length() > 1024:  # too long for a float, and for Python to write as text
        return None
    text = str(value).strip() if not isinstance(value, float) else f"{value:.0f}" if value.is_integer() else ""
    if (matched := _COMPACT.fullmatch(text)) and (found := _of_parts(matched, zone)) is not None:
        return found
    number = number_of(value, milliseconds)
    return _of_text(text, zone) if number is None else number


def number_of(value: Any, milliseconds: float = math.inf) -> float | None:
    """What a number counts, also one that may be read as a date; None for what is no number."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    number = number / 1000 if abs(number) >= milliseconds else number
    return number if math.isfinite(number) else None


def digits_of_a_date(value: Any) -> int:
    """How many digits a whole number has, if as many as a date that is written without hyphens; else 0."""
    number = number_of(value)
    text = f"{number:.0f}" if number is not None and number.is_integer() else ""
    return len(text) if _DIGITS.fullmatch(text) else 0


def _of_text(text: str, zone: timezone) -> float | None:
    try:
        return _seconds(datetime.fromisoformat(text.replace("/", "-")), zone)
    except ValueError:
        pass
    matched = _DATE.fullmatch(text)
    return _of_parts(matched, zone) if matched else None


def _of_parts(matched: re.Match[str], zone: timezone) -> float | None:
    parts = matched.groupdict()
    numbers = [int(parts[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second")]
    try:
        return _seconds(datetime(*numbers), zone)  # type: ignore[arg-type]
    except ValueError:
        return None


def _seconds(moment: datetime, zone: timezone) -> float | None:
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        return None
