"""Times as they are written, and those that cannot be."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.apps.monitor.dates import AHEAD, read_date, settled


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026年11月25日", "2026-11-25T00:00+08:00"),
        ("2026年11月25日 14:30", "2026-11-25T14:30+08:00"),
        ("发布于 2026年11月25日 下午2时30分", "2026-11-25T14:30+08:00"),
        ("2026年1月5日 上午9:05:07", "2026-01-05T09:05:07+08:00"),
        ("2026-11-25T06:30:00Z", "2026-11-25T06:30+00:00"),
        ("2026-11-25 06:30:00.123 +0530", "2026-11-25T06:30+05:30"),
        ("2026/11/25", "2026-11-25T00:00+00:00"),
        ("Wed, 25 Nov 2026 06:30:00 GMT", "2026-11-25T06:30+00:00"),
        ("Wed, 25 Nov 2026 06:30:00 +0800", "2026-11-25T06:30+08:00"),
        (1_764_000_000, "2025-11-24T16:00+00:00"),
        ("1764000000123", "2025-11-24T16:00:00.123+00:00"),
    ],
)
def test_dates_are_read(text: object, told: str) -> None:
    found = read_date(text)
    assert found is not None
    assert found == pytest.approx(datetime.fromisoformat(told).timestamp(), abs=0.001)


@pytest.mark.parametrize(
    "value",
    ["", None, True, "yesterday", "20261125", "2026年13月1日", "2026-02-30", "2026-11-25T10:00+99:99", [], float("nan"),
     float("inf"), "9" * 400, "2026-11-25T25:61"],
)  # fmt: skip
def test_what_is_no_date_is_none(value: object) -> None:
    assert read_date(value) is None


@settings(max_examples=100, deadline=None)
@given(st.datetimes(datetime(1991, 1, 1), datetime(2200, 1, 1)), st.integers(-12 * 60, 14 * 60))
def test_what_is_written_as_iso_is_read_back(moment: datetime, minutes: int) -> None:
    told = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    assert read_date(told.isoformat()) == told.timestamp()
    assert read_date(told.strftime("%a, %d %b %Y %H:%M:%S %z")) == told.timestamp()
    naive = told.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    assert read_date(naive, UTC) == told.timestamp()


def test_a_time_that_cannot_be_is_that_of_its_coming() -> None:
    now = 1_764_000_000.0
    assert settled(now - 5, now) == (now - 5, "told")
    assert settled(now + AHEAD, now) == (now + AHEAD, "told")
    assert settled(now + AHEAD + 1, now) == (now, "future")
    assert settled(None, now) == (now, "none")
    assert settled(0.0, now) == (now, "odd")
    assert settled(float("nan"), now) == (now, "odd")
