"""Taking over what catalogues of others say: types checked, texts cut and cleaned, addresses http(s) only. Pure.

Whatever a key holds, these give a value of the right type or nothing; they never raise. Markup is not looked for: a
text is text, and whoever shows it escapes it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

TEXT_MAX_CHARS = 4000
WORD_MAX_CHARS = 200
WORDS_MAX = 50
#: The frame of an extent whose boxes are right ascension and declination; without a frame they are on the Earth.
SKY = "sky"
ADDRESS_MAX_CHARS = 2000

# control characters, those that turn the direction of writing, and what is no character alone
_BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_DOI = re.compile(r"10\.\d{4,9}/[^\s<>\"{}]{1,200}")


def text(value: Any, most_chars: int = TEXT_MAX_CHARS) -> str:
    """A text of at most so many characters, without control characters; empty when it is none."""
    if not isinstance(value, str):
        return ""
    clean = _BAD.sub("", value[: most_chars + 100]).strip()
    return clean if len(clean) <= most_chars else clean[: most_chars - 1] + "…"


def line(value: Any, most_chars: int = WORD_MAX_CHARS) -> str:
    """As :func:`text`, in one line."""
    return text(" ".join(value[: 4 * most_chars].split()) if isinstance(value, str) else "", most_chars)


def lines(values: Any, most: int = WORDS_MAX) -> list[str]:
    """Short texts without repetition, in their order; a single text is one."""
    if isinstance(values, str):
        values = [values]
    if not isinstance(values, list | tuple | set):
        return []
    return list(dict.fromkeys(found for value in list(values)[: 4 * most] if (found := line(value))))[:most]


def address(value: Any) -> str | None:
    """An absolute http(s) address that a browser may be sent to, or None."""
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= ADDRESS_MAX_CHARS
        or re.search(r"[^!-~]|[\"<>\\^`{|}]", value)
    ):
        return None
    try:
        parts = urlsplit(value)
        is_good = parts.scheme in ("http", "https") and parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        return None
    return value if is_good else None


def doi(*values: Any) -> str | None:
    """The first DOI in the values: plain, with ``doi:``, or as an address of doi.org."""
    for value in values:
        if isinstance(value, str) and (match := _DOI.search(value[:500])):
            return match[0].rstrip(".,;")
    return None


def moment(value: Any) -> datetime | None:
    """A moment as STAC writes it; without a zone it is UTC; None when it is none that databases can hold."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found if 1 < found.year < 9999 else None


def extent(value: Any) -> dict[str, Any] | None:
    """A STAC extent reduced to its first boxes and intervals, when they are such; None when nothing is left.

    ``frame`` is kept where it says that the boxes are on the sky.
    """
    said = value if isinstance(value, dict) else {}
    boxes = [box for each in _listed(said.get("spatial"), "bbox") if (box := _box(each))]
    intervals = [pair for each in _listed(said.get("temporal"), "interval") if (pair := _interval(each))]
    found: dict[str, Any] = {}
    if boxes:
        found["spatial"] = {"bbox": boxes}
        if said.get("frame") == SKY:
            found["frame"] = SKY
    if intervals:
        found["temporal"] = {"interval": intervals}
    return found or None


def whole(value: Any) -> int | None:
    """A size that a database and a browser can hold, or None."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return int(value) if is_number and 0 <= value < 2**53 else None


def dicts(values: Any, most: int = 1000) -> Iterable[dict[str, Any]]:
    """The objects in a list, the first of them; nothing when it is no list."""
    return [value for value in values[:most] if isinstance(value, dict)] if isinstance(values, list) else []


def _listed(part: Any, key: str) -> list[Any]:
    values = part.get(key) if isinstance(part, dict) else None
    return values[:20] if isinstance(values, list) else []


def _box(value: Any) -> list[float] | None:
    """West, south, east, north; the heights of a box of six numbers are left out."""
    if not isinstance(value, list) or len(value) not in (4, 6):
        return None
    if not all(isinstance(part, int | float) and not isinstance(part, bool) and abs(part) <= 1e6 for part in value):
        return None
    west, south, east, north = (float(part) for part in (value if len(value) == 4 else value[:2] + value[3:5]))
    return [west, south, east, north] if -90 <= south <= north <= 90 and abs(west) <= 360 and abs(east) <= 360 else None


def _interval(value: Any) -> list[str | None] | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    start, end = (moment(part) for part in value)
    if (start is None) != (value[0] is None) or (end is None) != (value[1] is None):
        return None  # no moment is not the same as no end
    if start and end and end < start:
        return None
    return [each.isoformat() if each else None for each in (start, end)]
