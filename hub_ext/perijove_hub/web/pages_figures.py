"""Plots and their tables: sums of the ledger, cut into columns of a stacked plot. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from perijove.models import UsageRow

Unit = Literal["cost", "cpu", "memory", "gpu", "sessions"]
Key = Literal["site", "kind", "group", "user"]

#: The columns of a usage row, by the unit that a page is asked to plot.
FIELDS: dict[str, str] = {
    "cost": "cost",
    "cpu": "cpu_hours",
    "memory": "memory_gib_hours",
    "gpu": "gpu_hours",
    "sessions": "session_hours",
}
TITLES: dict[str, str] = {
    "cost": "Cost",
    "cpu": "Core hours",
    "memory": "GiB hours",
    "gpu": "GPU hours",
    "sessions": "Session hours",
}
KEYS: dict[str, str] = {"site": "Site", "kind": "Kind", "group": "Group", "user": "User"}

#: The days that a page can look back on, today among them.
RANGES: dict[str, int] = {"7d": 7, "30d": 30, "90d": 90, "year": 365}
RANGE_TITLES: dict[str, str] = {"7d": "7 days", "30d": "30 days", "90d": "90 days", "year": "A year"}

#: Beyond so many days a column of the plot is a week.
DAYS_BY_DAY = 90

#: So many parts have a colour of their own; the rest is added up.
MOST_PARTS = 7
OTHERS = "All others"


@dataclass(frozen=True)
class Figure:
    """A stacked plot, and the table with the same numbers: a column for each part, a row for each day or week."""

    title: str
    unit: str
    parts: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see."""
        return not any(any(values) for _, values in self.rows)

    @property
    def totals(self) -> tuple[float, ...]:
        """The sum of each part."""
        return tuple(sum(values[index] for _, values in self.rows) for index in range(len(self.parts)))


@dataclass(frozen=True)
class Span:
    """The days of a figure, both included."""

    since: date
    until: date

    @classmethod
    def back(cls, days: int, today: date) -> Span:
        """So many days up to today."""
        return cls(today - timedelta(days=days - 1), today)

    def columns(self) -> list[tuple[date, str]]:
        """The first day and the label of each column of the plot."""
        days = [self.since + timedelta(days=number) for number in range((self.until - self.since).days + 1)]
        if len(days) <= DAYS_BY_DAY:
            return [(day, f"{day:%-d %b}") for day in days]
        mondays = sorted({_monday(day) for day in days})
        return [(monday, f"week of {monday:%-d %b %Y}") for monday in mondays]

    def column_of(self, day: date) -> date:
        """The first day of the column that a day belongs to."""
        return day if (self.until - self.since).days < DAYS_BY_DAY else _monday(day)


def largest_parts(rows: Iterable[UsageRow], key: str, unit: str, most: int = MOST_PARTS) -> list[str]:
    """The parts that used most, which get a colour of their own; those that used nothing are left out."""
    sums: dict[str, float] = {}
    for row in rows:
        part = getattr(row, key) or ""
        sums[part] = sums.get(part, 0.0) + getattr(row, FIELDS[unit])
    ranked = sorted((part for part, used in sums.items() if used > 0), key=lambda part: (-sums[part], part))
    return ranked[:most]


def stack(
    rows: Iterable[UsageRow],
    span: Span,
    key: str,
    unit: str,
    *,
    parts: Sequence[str],
    names: Mapping[str, str],
    currency: str,
) -> Figure:
    """A figure of rows that have a day and ``key``; what is of none of ``parts`` is added up at the end.

    Args:
        rows: sums by day and ``key``.
        span: the days of the figure.
        key: what makes a part.
        unit: what is plotted.
        parts: those with a colour of their own, in their order.
        names: what parts are called, where that is not their key.
        currency: of the platform.
    """
    columns = span.columns()
    values = {first: [0.0] * (len(parts) + 1) for first, _ in columns}
    places = {part: index for index, part in enumerate(parts)}
    for row in rows:
        if row.day is None:
            raise ValueError("a row of a plot needs its day")
        column = values.get(span.column_of(date.fromisoformat(row.day)))
        if column is not None:
            column[places.get(getattr(row, key) or "", len(parts))] += getattr(row, FIELDS[unit])
    has_others = any(round(column[-1], 6) > 0 for column in values.values())
    shown = [names.get(part, part) or "(none)" for part in parts] + ([OTHERS] if has_others else [])
    return Figure(
        title=f"{TITLES[unit]} by {KEYS[key].lower()}",
        unit=currency if unit == "cost" else TITLES[unit].lower().replace("gib", "GiB").replace("gpu", "GPU"),
        parts=tuple(shown),
        rows=tuple(
            # adding nothing turns a negative nothing into a plain one
            (label, tuple(round(value, 6) + 0.0 for value in values[first][: len(shown)]))
            for first, label in columns
        ),
    )


def total(rows: Iterable[UsageRow]) -> UsageRow:
    """The sum of rows, without keys."""
    listed = list(rows)
    return UsageRow.model_validate(
        {field: round(sum(getattr(row, field) for row in listed), 6) for field in FIELDS.values()}
    )


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
