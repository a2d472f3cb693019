"""What the query of a search says. No HTTP beyond the names of its arguments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time

from perijove.models import Frame
from perijove_hub.catalogue.search import FACETS, Box, Query

WORDS_MAX_CHARS = 200
VALUES_MAX = 50


class QueryError(ValueError):
    """An argument of a search cannot be understood; the message is one sentence."""


def parse_query(arguments: Mapping[str, Sequence[str]]) -> Query:
    """What is looked for. A facet may be given several times; all else counts as it was given last.

    Raises:
        QueryError: a box, its frame or a moment cannot be read, and how one is written.
    """
    since, until = (_moment(name, _last(arguments, name)) for name in ("since", "until"))
    if since and until and until < since:
        raise QueryError("until is before since: nothing lies between them.")
    return Query(
        words=tuple(_last(arguments, "q")[:WORDS_MAX_CHARS].casefold().split()),
        facets={
            name: frozenset(value for value in arguments.get(name, ())[:VALUES_MAX] if value)
            for name in FACETS
            if arguments.get(name)
        },
        box=_box(_last(arguments, "bbox")),
        frame=_frame(_last(arguments, "frame")),
        since=since,
        until=until,
    )


def _last(arguments: Mapping[str, Sequence[str]], name: str) -> str:
    values = arguments.get(name)
    return values[-1] if values else ""


def _box(text: str) -> Box | None:
    if not text:
        return None
    try:
        west, south, east, north = (float(part) for part in text[:200].split(","))
    except ValueError:
        west = south = east = north = math.nan
    if not (abs(west) <= 360 and abs(east) <= 360 and -90 <= south <= north <= 90):
        raise QueryError("bbox is west,south,east,north in degrees, such as bbox=-10,35,5,44.")
    return west, south, east, north


def _frame(text: str) -> Frame:
    if text in ("", "earth"):
        return "earth"
    if text == "sky":
        return "sky"
    raise QueryError("frame is earth or sky: what bbox is a box of.")


def _moment(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text[:40])
    except ValueError:
        raise QueryError(f"{name} is a day or a moment, such as {name}=2026-03-01 or 2026-03-01T12:00:00Z.") from None
    if len(text) <= 10 and name == "until":
        found = datetime.combine(found.date(), time.max)  # a day counts whole
    return found if found.tzinfo else found.replace(tzinfo=UTC)
