"""Which bytes of an object a request asks for, and whether it asks for them at all. Pure.

Source: RFC 9110, sections 13 and 14.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache

from .errors import S3Error

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


def byte_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """``(start, stop)`` of the range asked for; None for the whole object, also for ranges of other forms.

    Raises:
        S3Error: the range lies outside of the object.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found[0] == "bytes=-":
        return None
    if not found[1]:  # so many bytes of the end
        start, stop = max(size_bytes - int(found[2]), 0), size_bytes
    else:
        start, stop = int(found[1]), min(int(found[2]) + 1 if found[2] else size_bytes, size_bytes)
        if found[2] and int(found[2]) < start:
            return None
    if start >= stop:
        raise S3Error("InvalidRange", "The requested range is not satisfiable", size_bytes)
    return start, stop


def wanted_span(header: str | None, most_bytes: int) -> tuple[int, int] | None:
    """The first bytes, at most so many, of what is asked for of an object whose size is not known; None: unclear."""
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None:
        return 0, most_bytes
    if not found[1]:
        return None
    start = int(found[1])
    stop = min(int(found[2]) + 1 if found[2] else start + most_bytes, start + most_bytes)
    return (start, stop) if stop > start else None


def asks_for_news(headers: Mapping[str, str]) -> bool:
    """Whether a request wants the object only if it is another by now; if not, nothing of it is to be fetched."""
    return "If-None-Match" in headers or "If-Modified-Since" in headers


def not_modified(headers: Mapping[str, str], etag: str | None, modified: datetime | None) -> bool:
    """Whether the answer is 304.

    Raises:
        S3Error: what the request insists on is not so.
    """
    same = _matches(headers.get("If-Match"), etag)
    newer_than = _date(headers.get("If-Unmodified-Since"))
    if same is False or (same is None and newer_than and modified and modified.replace(microsecond=0) > newer_than):
        raise S3Error("PreconditionFailed", "At least one of the preconditions you specified did not hold.")
    known = _matches(headers.get("If-None-Match"), etag)
    if known is not None:
        return known
    since = _date(headers.get("If-Modified-Since"))
    return bool(since and modified and modified.replace(microsecond=0) <= since)


@lru_cache(maxsize=1024)
def http_date(moment: datetime) -> str:
    """A time as HTTP writes it."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _matches(header: str | None, etag: str | None) -> bool | None:
    if header is None:
        return None
    asked = {part.strip().removeprefix("W/").strip('"') for part in header.split(",")}
    return "*" in asked or (etag is not None and etag.removeprefix("W/").strip('"') in asked)


def _date(header: str | None) -> datetime | None:
    if not header:
        return None
    try:
        found = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
