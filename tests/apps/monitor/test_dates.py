"""Times as they are written, and those that cannot be."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.apps.monitor.dates import AHEAD, read_date, read_day_and_time, settled

FORMS = ["%Y-%m-%d %I:%M %p", "%Y/%m/%d %I:%M%p", "%d %b %Y %I:%M %p", "%Y年%m月%d日 %I:%M %p"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026年11月25日", "2026-11-25T00:00+08:00"),
        ("2026年11月25日 14:30", "2026-11-25T14:30+08:00"),
        ("发布于 2026年11月25日 下午2时30分", "2026-11-25T14:30+08:00"),
        ("2026年1月5日 上午9:05:07", "2026-01-05T09:05:07+08:00"),
        ("2026年11月25日 凌晨12:30", "2026-11-25T00:30+08:00"),
        ("2026年11月25日 晚上12点", "2026-11-26T00:00+08:00"),
        ("2026年11月25日 深夜11点半", "2026-11-25T23:30+08:00"),
        ("2026年11月25日 周三 傍晚6点05分 来源：36氪", "2026-11-25T18:05+08:00"),
        ("2026年11月25日PM2:30", "2026-11-25T14:30+08:00"),
        ("2026年11月25日 2:30 pm", "2026-11-25T14:30+08:00"),
        ("2026年11月25日 中国新闻 14:30 GMT+8", "2026-11-25T14:30+08:00"),
        ("2026年12月31日 晚上12点", "2027-01-01T00:00+08:00"),
        ("2026-11-25 02:30 PM", "2026-11-25T14:30+00:00"),
        ("2026/11/25 12:05:09 a.m. +08", "2026-11-25T00:05:09+08:00"),
        ("2026-11-25 12:30PM", "2026-11-25T12:30+00:00"),
        ("2026-11-25 下午2:30", "2026-11-25T14:30+00:00"),
        ("2026-11-25下午2:30", "2026-11-25T14:30+00:00"),
        ("Wed, 25 Nov 2026 02:30 PM", "2026-11-25T14:30+00:00"),
        ("Wed, 25 Nov 2026 02:30:00 AM +0800", "2026-11-25T02:30+08:00"),
        ("2026-11-25T06:30:00Z", "2026-11-25T06:30+00:00"),
        ("2026-11-25 06:30:00.123 +0530", "2026-11-25T06:30+05:30"),
        ("2026/11/25", "2026-11-25T00:00+00:00"),
        ("Wed, 25 Nov 2026 06:30:00 GMT", "2026-11-25T06:30+00:00"),
        ("Wed, 25 Nov 2026 06:30:00 +0800", "2026-11-25T06:30+08:00"),
        ("Wed, 25 Nov 2026 06:30:00 -0000", "2026-11-25T06:30+00:00"),
        (1_764_000_000, "2025-11-24T16:00+00:00"),
        ("1764000000123", "2025-11-24T16:00:00.123+00:00"),
        ("20261125", "2026-11-25T00:00+00:00"),
    ],
)
def test_dates_are_read(text: object, told: str) -> None:
    found = read_date(text)
    assert found is not None
    assert found == pytest.approx(datetime.fromisoformat(told).timestamp(), abs=0.001)


def test_the_time_of_china_is_told_from_that_of_america_by_the_zone() -> None:
    text = "Wed Nov 25 10:00:00 CST 2026"
    for hours, told in ((8, "2026-11-25T10:00+08:00"), (0, "2026-11-25T10:00-06:00"), (-6, "2026-11-25T10:00-06:00")):
        assert read_date(text, timezone(timedelta(hours=hours))) == datetime.fromisoformat(told).timestamp()


def test_an_offset_that_is_told_goes_before_the_name_of_a_zone() -> None:
    text = "Mon, 01 Jan 2024 10:00:00 -0600 (CST)"
    assert read_date(text, timezone(timedelta(hours=8))) == datetime.fromisoformat("2024-01-01T10:00-06:00").timestamp()


@pytest.mark.parametrize(
    "value",
    ["", None, True, "yesterday", "2026", "2026年13月1日", "2026-02-30", "2026-11-25T10:00+99:99", [], float("nan"),
     float("inf"), "9" * 400, "2026-11-25T25:61",
     "2026-11-25 14:30 AM", "2026-11-25 2 PM", "2026-11-25 14:30 CST",
     "Wed, 25 Nov 2026 14:30:00 CET", "Wed, 25 Nov 2026 14:30 BST",
     "2026-11-25 noon", "2026年11月25日 晚上1点",
     "2026年11月25日 下午两点", "2026年11月25日 下午（2:30）",
     "2026年11月25日 14:30 GMT", "2026年11月25日 14:30 -05:00", "9999年12月31日 晚上12点"],
)  # fmt: skip
def test_what_is_no_date_is_none(value: object) -> None:
    assert read_date(value) is None


@pytest.mark.parametrize(
    ("day", "time", "told"),
    [
        ("2026-11-30", "14:30", "2026-11-30T14:30+00:00"), ("2026-11-30 00:00:00", "2:30 PM", "2026-11-30T14:30+00:00"),
        (20261130, "14:30+08:00", "2026-11-30T14:30+08:00"), ("2026年11月30日", "下午2:30", "2026-11-30T14:30+08:00"),
        ("2026-11-30T08:00Z", "14:30", "2026-11-30T08:00+00:00"), ("2026/11/30", "soon", "2026-11-30T00:00+00:00"),
        ("2026-11-30", None, "2026-11-30T00:00+00:00"),
    ],
)  # fmt: skip
def test_a_day_and_a_time_beside_it_are_one_moment(day: object, time: object, told: str) -> None:
    assert read_day_and_time(day, time) == datetime.fromisoformat(told).timestamp()


@settings(max_examples=100, deadline=None)
@given(st.datetimes(datetime(1991, 1, 1), datetime(2200, 1, 1)), st.integers(-12 * 60, 14 * 60))
def test_what_is_written_as_iso_is_read_back(moment: datetime, minutes: int) -> None:
    told = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    assert read_date(told.isoformat()) == told.timestamp()
    assert read_date(told.strftime("%a, %d %b %Y %H:%M:%S %z")) == told.timestamp()
    naive = told.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    assert read_date(naive, UTC) == told.timestamp()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 23), st.integers(0, 59), st.sampled_from(FORMS))
def test_hours_of_half_a_day_are_read_back(hour: int, minute: int, form: str) -> None:
    told = datetime(2026, 11, 25, hour, minute, tzinfo=UTC)
    assert read_date(told.strftime(form), UTC) == told.timestamp() - 28_800 * ("年" in form)


def test_a_time_that_cannot_be_is_that_of_its_coming() -> None:
    now = 1_764_000_000.0
    assert settled(now - 5, now) == (now - 5, "told")
    assert settled(now + AHEAD, now) == (now + AHEAD, "told")
    assert settled(now + AHEAD + 1, now) == (now, "future")
    assert settled(None, now) == (now, "none")
    assert settled(0.0, now) == (now, "odd")
    assert settled(float("nan"), now) == (now, "odd")
