"""Search over the datasets of all catalogues: words, facets, space and time. Pure: no I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

from perijove.models import Dataset, FacetName, FacetValue, Frame
from perijove_hub.catalogue import texts
from perijove_hub.catalogue.providers.formats import word_for
from perijove_hub.policy.base import EVERYBODY

FACETS: tuple[FacetName, ...] = get_args(FacetName)
#: How many values of a facet are shown.
VALUES_MAX = 50

Box = tuple[float, float, float, float]
#: South, north, and spans of longitudes within 0 to 360 degrees.
Area = tuple[float, float, tuple[tuple[float, float], ...]]
Interval = tuple[datetime | None, datetime | None]


@dataclass(frozen=True)
class Entry:
    """A dataset with what a search looks at, made once.

    ``groups`` may see it; ``early`` may read it before ``dataset.embargo_until``.
    """

    dataset: Dataset
    groups: frozenset[str]
    early: frozenset[str] = frozenset()
    title: str = ""
    haystack: str = ""
    values: Mapping[FacetName, tuple[str, ...]] = field(default_factory=dict)
    frame: Frame = "earth"
    areas: tuple[Area, ...] = ()
    intervals: tuple[Interval, ...] = ()

    def may_see(self, groups: frozenset[str]) -> bool:
        """Whether a member of these groups may know of it."""
        return EVERYBODY in self.groups or not self.groups.isdisjoint(groups)

    def may_read(self, groups: frozenset[str], now: datetime) -> bool:
        """Whether a member of these groups may read it now."""
        until = self.dataset.embargo_until
        return self.may_see(groups) and (until is None or now >= until or not self.early.isdisjoint(groups))


@dataclass(frozen=True)
class Query:
    """What is looked for. Values of one facet are alternatives; all else must hold together.

    ``box`` is west, south, east, north in degrees; west beyond east crosses the antimeridian (or right ascension 0).
    A box on the Earth finds nothing on the sky, and the other way round.
    """

    words: tuple[str, ...] = ()
    facets: Mapping[FacetName, frozenset[str]] = field(default_factory=dict)
    box: Box | None = None
    frame: Frame = "earth"
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Result:
    """The entries that fit, best first, and what is in the facets."""

    entries: list[Entry]
    facets: dict[FacetName, list[FacetValue]]


def entry(dataset: Dataset, groups: Iterable[str], early: Iterable[str] = (), more: str = "") -> Entry:
    """What a search looks at of a dataset; ``more`` is searched and not shown."""
    names = [provider.name for provider in dataset.providers]
    formats = [*dataset.formats, *map(word_for, dataset.formats)]
    shown = (dataset.id, dataset.title, dataset.description, dataset.doi or "", *dataset.keywords, *formats)
    extent = texts.extent(dataset.extent) or {}
    return Entry(
        dataset=dataset,
        groups=frozenset(groups),
        early=frozenset(early),
        title=f"{dataset.title}\n{dataset.id}".casefold(),
        haystack="\n".join((*shown, *names, more)).casefold(),
        values={
            "catalogue": (dataset.catalogue,),
            # a media type and its word are one value, or half of the files of a format would not be found by it
            "format": tuple(dict.fromkeys(map(word_for, dataset.formats))),
            "provider": tuple(dict.fromkeys(names)),
            "licence": (dataset.licence,),
            "keyword": tuple(dataset.keywords),
        },
        frame="sky" if extent.get("frame") == texts.SKY else "earth",
        areas=tuple(_area(box) for box in extent.get("spatial", {}).get("bbox", ())),
        intervals=tuple(
            (texts.moment(start), texts.moment(end)) for start, end in extent.get("temporal", {}).get("interval", ())
        ),
    )


def search(entries: Sequence[Entry], query: Query, groups: frozenset[str], titles: Mapping[str, str]) -> Result:
    """The entries that these groups may see and that fit the query.

    More words in the title come first, then the platform's own, then the order of ids. A facet is counted over what
    fits but for that facet itself, so that a second value of it can be chosen.

    Args:
        entries: all there are.
        query: what is looked for.
        groups: the caller's.
        titles: of the catalogues, by their ids.
    """
    found: list[Entry] = []
    values: dict[FacetName, list[str]] = {name: [] for name in FACETS}
    area = _area(query.box) if query.box else None
    wanted = [(name, chosen) for name, chosen in query.facets.items() if chosen]
    for each in entries:
        if not (each.may_see(groups) and _fits(each, query, area)):
            continue
        missed = [name for name, chosen in wanted if chosen.isdisjoint(each.values[name])]
        if not missed:
            found.append(each)
        if len(missed) <= 1:
            for name in missed or FACETS:
                values[name] += each.values[name]
    found.sort(key=lambda each: rank(each, query))
    # counted at once: ten thousand small updates of a counter take longer than all the rest
    return Result(found, {name: _facet(name, Counter(values[name]), titles) for name in FACETS})


def rank(each: Entry, query: Query) -> tuple[int, bool, str]:
    """What an entry is sorted by."""
    hits = len([word for word in query.words if word in each.title])
    return -hits, each.dataset.delivery == "linked", each.dataset.id


def _fits(each: Entry, query: Query, area: Area | None) -> bool:
    haystack = each.haystack
    for word in query.words:
        if word not in haystack:
            return False
    if area is not None and not (each.frame == query.frame and any(_touch(own, area) for own in each.areas)):
        return False
    if query.since is None and query.until is None:
        return True
    return any(
        (end is None or query.since is None or end >= query.since)
        and (start is None or query.until is None or start <= query.until)
        for start, end in each.intervals
    )


def _touch(one: Area, other: Area) -> bool:
    if one[0] > other[1] or other[0] > one[1]:
        return False
    return any(a <= d and c <= b for a, b in one[2] for c, d in other[2])


def _area(box: Sequence[float]) -> Area:
    """What a box covers; its longitudes are one span, or two where it crosses the zero meridian."""
    west, south, east, north = box
    if east - west >= 360:
        return south, north, ((0, 360),)
    west, east = west % 360, east % 360
    return south, north, ((west, east),) if west <= east else ((west, 360), (0, east))


def _facet(name: FacetName, counts: Counter[str], titles: Mapping[str, str]) -> list[FacetValue]:
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:VALUES_MAX]
    shown: Mapping[str, Any] = titles if name == "catalogue" else {}
    return [FacetValue(value=value, title=shown.get(value, value), count=count) for value, count in top]
