"""The windows of limits over time: calendar periods in the platform's time zone, rolling lengths, allocations.

Pure: the time is passed in. All moments are in UTC; a day is a day of the platform's time zone, which has 23, 24 or 25
hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from perijove_hub.policy.base import parse_duration

#: How a window over an allocation is called.
ALLOCATION = "allocation"


@dataclass(frozen=True)
class Span:
    """From ``start`` until ``end``, which is not in it; ``end`` is None for a rolling window, which never ends."""

    start: datetime
    end: datetime | None

    def holds(self, moment: datetime) -> bool:
        """Whether a moment lies in the span."""
        return self.start <= moment and (self.end is None or moment < self.end)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day of the zone begins, in UTC."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def window_span(window: str, now: datetime, zone: ZoneInfo) -> Span:
    """The span of a window at a moment.

    Args:
        window: ``day``, ``week`` (from Monday), ``month``, ``quarter``, ``year``, or a length such as ``24h``, ``7d``.
        now: the moment, aware.
        zone: the platform's.
    """
    today = now.astimezone(zone).date()
    match window:
        case "day":
            first, following = today, today + timedelta(days=1)
        case "week":
            first = today - timedelta(days=today.weekday())
            following = first + timedelta(days=7)
        case "month":
            first, following = today.replace(day=1), _months_on(today.replace(day=1), 1)
        case "quarter":
            first = date(today.year, 3 * ((today.month - 1) // 3) + 1, 1)
            following = _months_on(first, 3)
        case "year":
            first, following = date(today.year, 1, 1), date(today.year + 1, 1, 1)
        case _:
            return Span(now - parse_duration(window), None)
    return Span(midnight(first, zone), midnight(following, zone))


def days_span(first: date, last: date, zone: ZoneInfo) -> Span:
    """The span of some days, the last one included."""
    return Span(midnight(first, zone), midnight(last + timedelta(days=1), zone))


def cut_by_day(begins: datetime, ends: datetime, zone: ZoneInfo) -> Iterator[tuple[date, datetime, datetime]]:
    """An interval cut at the midnights of the zone: each day with the begin and the end of its part."""
    while begins < ends:
        day = begins.astimezone(zone).date()
        cut = min(ends, midnight(day + timedelta(days=1), zone))
        yield day, begins, cut
        begins = cut


def split_by_day(begins: datetime, ends: datetime, zone: ZoneInfo) -> Iterator[tuple[date, float]]:
    """An interval cut at the midnights of the zone: each day with its share in hours."""
    for day, begun, cut in cut_by_day(begins, ends, zone):
        yield day, (cut - begun).total_seconds() / 3600


def _months_on(first: date, months: int) -> date:
    month = first.month - 1 + months
    return date(first.year + month // 12, month % 12 + 1, 1)
