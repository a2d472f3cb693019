"""How limits are put into words, the same on every page."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from perijove_hub.ledger.windows import ALLOCATION

_LENGTHS = {"h": "hours", "d": "days"}


def spoken_subject(subject: str) -> str:
    """``group euclid``, ``site esac``, ``the platform``."""
    kind, _, name = subject.partition(":")
    return f"{kind} {name}" if name else "the platform"


def spoken_time(moment: datetime, zone: ZoneInfo) -> str:
    """``1 April 2026, 00:00 CEST``: in the platform's time zone."""
    return f"{moment.astimezone(zone):%-d %B %Y, %H:%M %Z}"


def spoken_window(window: str | None) -> str:
    """What follows an amount: `` this month``, `` in the last 7 days``; nothing for what is held at once."""
    if window is None:
        return ""
    if window == ALLOCATION:
        return " of the allocation"
    if window in ("week", "month", "quarter", "year"):
        return f" this {window}"
    return " today" if window == "day" else f" in the last {window[:-1]} {_LENGTHS[window[-1]]}"


def spoken_amount(amount: float) -> str:
    """Two decimals at most: ``2``, ``0.25``, ``1200``."""
    return f"{amount:.2f}".rstrip("0").rstrip(".") if abs(amount) < 1000 else f"{amount:.0f}"
