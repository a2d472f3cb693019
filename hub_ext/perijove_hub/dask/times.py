"""The time, and lengths of it in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


def moment(milliseconds: int) -> datetime:
    """What Dask Gateway keeps as milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def spoken(length: timedelta) -> str:
    """``30 minutes``, ``1 minute``, ``20 seconds``."""
    seconds = round(length.total_seconds())
    number, unit = (round(seconds / 60), "minute") if seconds >= 60 else (seconds, "second")
    return f"{number} {unit}{'' if number == 1 else 's'}"
