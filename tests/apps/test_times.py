"""Times that have no mark between their parts: every application reads the day, and no moment of 1970."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.apps.monitor.dates import read_date
from danlu.apps.recommend.reading import moment_in
from danlu.data.splitting.times import seconds_of

SHANGHAI = timezone(timedelta(hours=8))
PRECISIONS = {"%Y%m%d": 86_400, "%Y%m%d%H%M": 60, "%Y%m%d%H%M%S": 1}
moments = st.datetimes(datetime(1991, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))


@settings(max_examples=60, deadline=None)
@given(moments, st.sampled_from(list(PRECISIONS)), st.sampled_from([str, int, float]))
def test_a_date_in_digits_alone_is_that_date_to_all_who_read_times(moment: datetime, form: str, kind: type) -> None:
    written, truth = kind(moment.strftime(form)), moment.timestamp() // PRECISIONS[form] * PRECISIONS[form]
    assert seconds_of(written) == moment_in(written) == read_date(written) == truth
    assert read_date(written, SHANGHAI) == truth - 8 * 3600


@settings(max_examples=60, deadline=None)
@given(moments)
def test_seconds_milliseconds_and_iso_are_the_same_moment_to_both(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    seconds = int(moment.timestamp())
    forms = [seconds, str(seconds), seconds * 1000, str(seconds * 1000), moment.isoformat()]
    forms.append(moment.strftime("%Y%m%dT%H%M%SZ"))
    assert {read(form) for read in (moment_in, read_date) for form in forms} == {seconds}
