"""The clock by which sessions are stopped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from perijove_hub.controller.steady import SteadyClock, uptime_seconds
from tests.support.leases import NOON

HOUR = timedelta(hours=1)


@dataclass
class Host:
    """A host whose clock may be set; ``passed_seconds`` is what has passed in truth."""

    passed_seconds: float = 0.0
    off: timedelta = timedelta(0)

    def wall(self) -> datetime:
        return NOON + timedelta(seconds=self.passed_seconds) + self.off

    def count(self) -> float:
        return self.passed_seconds


def steady(host: Host) -> SteadyClock:
    return SteadyClock(host.wall, host.count)


def test_it_is_the_hosts_clock_as_long_as_that_is_not_set() -> None:
    host = Host()
    clock = steady(host)
    for host.passed_seconds in (0.1, 30, 31, 90000):
        host.off += timedelta(seconds=2)  # the ordinary work of NTP
        assert clock() == host.wall()
        assert clock.ahead == timedelta(0)


def test_a_clock_that_is_set_forward_is_followed_by_a_minute_in_an_hour() -> None:
    host = Host()
    clock = steady(host)
    host.off = HOUR
    assert clock() == NOON
    assert clock.ahead == HOUR
    host.passed_seconds = 3600
    assert clock() == NOON + HOUR + timedelta(minutes=1)
    assert clock.ahead == timedelta(minutes=59)
    host.off = timedelta(0)
    assert clock() == host.wall()


def test_a_clock_that_is_set_back_is_followed_at_once_and_its_return_too() -> None:
    host = Host()
    clock = steady(host)
    host.passed_seconds, host.off = 60, -HOUR
    assert clock() == NOON + timedelta(seconds=60) - HOUR
    host.passed_seconds, host.off = 120, timedelta(0)
    assert clock() == NOON + timedelta(seconds=120)


def test_the_count_of_seconds_goes_on() -> None:
    assert 0 < uptime_seconds() <= uptime_seconds()


@given(st.lists(st.tuples(st.integers(1, 7200), st.integers(-3600, 3600)), max_size=30))
def test_it_is_never_ahead_of_the_host_nor_more_than_a_minute_in_an_hour_ahead_of_the_truth(
    steps: list[tuple[int, int]],
) -> None:
    host = Host()
    clock = steady(host)
    for passed, off in steps:
        host.passed_seconds += passed
        host.off = timedelta(seconds=off)
        now, truth = clock(), NOON + timedelta(seconds=host.passed_seconds)
        assert now <= host.wall()
        # what NTP's tolerance lets through comes on top, once for each look
        assert now - truth <= timedelta(seconds=host.passed_seconds / 60 + 5 * len(steps))
