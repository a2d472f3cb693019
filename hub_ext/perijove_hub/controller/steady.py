"""A clock that stops nobody early when the host's is set forward."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

#: A difference up to this is the ordinary work of NTP, and is followed at once.
TOLERANCE = timedelta(seconds=5)

#: A larger one is followed by this share of the time that passes: a minute in an hour.
FOLLOWS = 1 / 60


def uptime_seconds() -> float:
    """Seconds that nobody can set, counted while the host sleeps too where the system can tell."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class SteadyClock:
    """The time by which sessions are stopped: never ahead of a count of the seconds since the process started.

    A clock that is set forward by an hour would end every session an hour early. This one goes on counting, and takes
    the new time over by a minute in an hour; a restart takes it over at once. A clock that is set back is followed at
    once, since the other processes put down their moments by it, and a stop that comes late hurts less.

    Args:
        wall: gives the time, aware.
        count: gives seconds from some moment on, which nobody sets.
    """

    def __init__(self, wall: Callable[[], datetime], count: Callable[[], float] = uptime_seconds) -> None:
        self._wall = wall
        self._count = count
        self._counted_seconds, self._steady = count(), wall()
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        """The time. :attr:`ahead` then says by how much the host's clock is ahead of it, or is negative."""
        wall, counted_seconds = self._wall(), self._count()
        passed = timedelta(seconds=max(0.0, counted_seconds - self._counted_seconds))
        expected = self._steady + passed
        off = wall - expected
        most = max(TOLERANCE if abs(off) <= TOLERANCE else timedelta(0), passed * FOLLOWS)
        self._steady = expected + max(-most, min(off, most))
        self._counted_seconds = counted_seconds
        self.ahead = wall - self._steady
        return min(wall, self._steady)
