import os
import time
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from danlu.data.splitting.times import digits_of_a_date, number_of, seconds_of

DAY = datetime(2024, 5, 31, tzinfo=UTC).timestamp()
TIMES: list[tuple[Any, float | None]] = [
    ("2024-05-31", DAY),
    ("2024/5/31", DAY),
    ("2024/05/31", DAY),
    ("2024.5.31", DAY),
    ("2024-5-31", DAY),
    ("2024年5月31日", DAY),
    ("20240531", DAY),
    (20240531, DAY),
    (20240531.0, DAY),
    (" 2024-05-31 ", DAY),
    ("2024-05-31T08:00:00", DAY + 8 * 3600),
    ("2024/5/31 8:00", DAY + 8 * 3600),
    ("2024年5月31日 08:00:30", DAY + 8 * 3600 + 30),
    ("20240531080000", DAY + 8 * 3600),
    ("2024-05-31T08:00:00+08:00", DAY),
    ("2024-05-31T00:00:00Z", DAY),
    (date(2024, 5, 31), DAY),
    (datetime(2024, 5, 31), DAY),
    (datetime(2024, 5, 31, 8, tzinfo=timezone(timedelta(hours=8))), DAY),
    ("1717113600", 1717113600.0),
    (1717113600, 1717113600.0),
    (1717113600000, 1717113600000.0),
    (0.5, 0.5),
    (2024, 2024.0),
    (20249931, 20249931.0),
    ("31/05/2024", None),
    ("yesterday", None),
    ("", None),
    (None, None),
    (True, None),
    (float("nan"), None),
    ("inf", None),
    ("2024/13/45", None),
    ("٢٠٢٤", 2024.0),
    (10**400, None),
    ("2024/05/31T08:00:00+08:00", DAY),
    ("20240531T000000Z", DAY),
    ([2024], None),
]


@pytest.mark.parametrize(("value", "seconds"), TIMES, ids=[repr(value)[:40] for value, _ in TIMES])
def test_times_of_any_form_are_the_same_number(value: Any, seconds: float | None) -> None:
    assert seconds_of(value) == seconds


def test_a_number_of_thousands_of_digits_is_no_time() -> None:
    assert seconds_of(1 << 20_000) is None


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_dates_without_a_zone_do_not_depend_on_that_of_the_machine(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert seconds_of("2024-05-31") == DAY
    finally:
        monkeypatch.undo()
        assert os.environ.get("TZ") == before
        time.tzset()


@pytest.mark.parametrize(
    ("value", "long"),
    [(20240120, 8), ("20249931", 8), (20249931000000, 14), (20240120.5, 0), (2024, 0), (None, 0)],
)
def test_whole_numbers_may_be_as_long_as_a_date(value: Any, long: int) -> None:
    assert digits_of_a_date(value) == long


def test_a_number_counts_what_it_says_whatever_it_looks_like() -> None:
    assert [number_of(value, 1e11) for value in (20240120, "20240120", 1717113600000, "x", None, "inf")] == [
        20240120.0, 20240120.0, 1717113600.0, None, None, None,
    ]  # fmt: skip
