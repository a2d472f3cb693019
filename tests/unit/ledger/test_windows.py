from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove_hub.ledger.windows import Span, days_span, midnight, split_by_day, window_span

MADRID = ZoneInfo("Europe/Madrid")
ZONES = ["UTC", "Europe/Madrid", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe", "Asia/Beirut"]
CALENDAR = ["day", "week", "month", "quarter", "year"]

moments = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2060, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
zones = st.sampled_from(ZONES).map(ZoneInfo)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        ("day", "2026-03-28T00:00+01:00", "2026-03-29T00:00+01:00"),
        ("week", "2026-03-23T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("month", "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"),
        ("quarter", "2026-01-01T00:00+01:00", "2026-04-01T00:00+02:00"),
        ("year", "2026-01-01T00:00+01:00", "2027-01-01T00:00+01:00"),
    ],
)
def test_calendar_periods_begin_at_local_midnight(window: str, start: str, end: str) -> None:
    assert window_span(window, utc("2026-03-28T23:59:59+01:00"), MADRID) == Span(utc(start), utc(end))


def test_december_is_followed_by_january() -> None:
    span = window_span("month", utc("2026-12-31T12:00+01:00"), MADRID)
    assert span == Span(utc("2026-12-01T00:00+01:00"), utc("2027-01-01T00:00+01:00"))
    quarter = window_span("quarter", utc("2026-12-31T12:00+01:00"), MADRID)
    assert quarter == Span(utc("2026-10-01T00:00+02:00"), utc("2027-01-01T00:00+01:00"))


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)])
def test_the_days_of_a_clock_change_are_shorter_and_longer(day: date, hours: float) -> None:
    span = window_span("day", midnight(day, MADRID) + timedelta(hours=12), MADRID)
    assert span.end is not None
    assert (span.end - span.start).total_seconds() / 3600 == hours
    assert list(split_by_day(span.start, span.end, MADRID)) == [(day, hours)]


def test_a_rolling_window_is_a_length_before_now() -> None:
    now = utc("2026-03-29T12:00+02:00")
    assert window_span("7d", now, MADRID) == Span(now - timedelta(days=7), None)
    assert window_span("36h", now, MADRID) == Span(now - timedelta(hours=36), None)


def test_an_allocation_holds_its_last_day() -> None:
    span = days_span(date(2026, 1, 1), date(2026, 12, 31), MADRID)
    assert span == Span(utc("2026-01-01T00:00+01:00"), utc("2027-01-01T00:00+01:00"))
    assert span.holds(utc("2026-12-31T23:59:59+01:00"))
    assert not span.holds(utc("2027-01-01T00:00+01:00"))


@given(moments, zones, st.sampled_from(CALENDAR))
def test_every_moment_lies_in_exactly_one_period(now: datetime, zone: ZoneInfo, window: str) -> None:
    span = window_span(window, now, zone)
    assert span.end is not None
    assert span.holds(now)
    # the end of one is the start of the next: nothing is granted twice, and no moment is left out
    assert window_span(window, span.end, zone).start == span.end
    assert window_span(window, span.end - timedelta(microseconds=1), zone) == span


@given(moments, zones, st.floats(min_value=0, max_value=24 * 40))
def test_the_days_of_an_interval_add_up_to_it(begins: datetime, zone: ZoneInfo, hours: float) -> None:
    ends = begins + timedelta(hours=hours)
    shares = list(split_by_day(begins, ends, zone))
    assert sum(share for _, share in shares) == pytest.approx((ends - begins).total_seconds() / 3600)
    days = [day for day, _ in shares]
    assert days == sorted(set(days))
    assert all(share > 0 for _, share in shares)
