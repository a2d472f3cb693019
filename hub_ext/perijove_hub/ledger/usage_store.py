"""The queries of use over time: entries, and the days they are folded into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Float,
    Integer,
    Select,
    bindparam,
    case,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove_hub.ledger.dialects import add_to, insert_once, once, seconds_of
from perijove_hub.ledger.metering import Amounts, amounts, hours_between, price_version
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.schema import UtcDateTime, homes, prices, usage_days, usage_entries, usage_totals
from perijove_hub.ledger.subjects import is_of, kind_and_value, of_kind
from perijove_hub.ledger.windows import cut_by_day, midnight

GIB = 2**30
HOURS = ("cpu_hours", "memory_gib_hours", "gpu_hours", "session_hours")


@dataclass(frozen=True)
class Entry:
    """An interval of use, or a correction of one with negative amounts (``sign`` -1)."""

    lease: LeaseRow
    begins: datetime
    ends: datetime
    sign: int = 1
    reason: str | None = None
    author: str | None = None


async def add_entry(connection: AsyncConnection, entry: Entry, zone: ZoneInfo, currency: str, now: datetime) -> bool:
    """Write an interval, cut at the midnights of the zone, and fold each part into its day.

    False when all of it is there already, or when it holds no time. No entry reaches over midnight, so that a part of a
    day is in the entries that end on that day.
    """
    lease, site = entry.lease, entry.lease.site
    if site is None or lease.price is None or entry.begins >= entry.ends:
        return False
    version = price_version(site, lease.price, currency)
    await insert_once(
        connection,
        prices,
        {"version": version, "site": site, "price": lease.price.model_dump(), "currency": currency, "since": now},
    )
    said = {"price_version": version, "reason": entry.reason, "author": entry.author, "created": now}
    is_new = False
    for day, begins, ends in cut_by_day(entry.begins, entry.ends, zone):
        is_new |= await _add_part(connection, entry, day, begins, ends, said)
    return is_new


async def _add_part(
    connection: AsyncConnection, entry: Entry, day: date, begins: datetime, ends: datetime, said: dict[str, Any]
) -> bool:
    lease, resources = entry.lease, entry.lease.resources
    whose = {
        "owner": lease.owner, "charge_to": lease.charge_to or "", "site": lease.site, "kind": lease.kind,
    }  # fmt: skip
    used = amounts(resources, lease.price, entry.sign * hours_between(begins, ends))
    row = {
        **whose,
        **said,
        "lease_id": lease.id,
        "begins": begins,
        "ends": ends,
        "cpu": entry.sign * resources.cpu,
        "memory_gib": entry.sign * resources.memory_gib,
        "gpu": entry.sign * resources.gpu,
        "cost": used.credits,
        "entry": "use" if entry.sign > 0 else "correction",
    }
    if not await insert_once(connection, usage_entries, row):
        return False
    sums = {name: used.of(name) for name in HOURS} | {"cost": used.credits}
    # all write the two in this order, so that nobody waits for one who waits for them
    await add_to(connection, usage_days, {"day": day, **whose}, sums)
    del whose["owner"]
    await add_to(connection, usage_totals, {"day": day, **whose}, sums)
    return True


async def used_since(
    connection: AsyncConnection, asked: Sequence[tuple[str, datetime]], zone: ZoneInfo
) -> list[Amounts]:
    """What the entries of each subject say it has used since a moment; to the second, whole days from their fold.

    One statement for all: a start waits for it.
    """
    shape: list[tuple[str, bool]] = []
    said: dict[str, Any] = {}
    for number, (subject, start) in enumerate(asked):
        kind, value = kind_and_value(subject)
        day = start.astimezone(zone).date()
        is_cut = midnight(day, zone) != start
        whole = day + timedelta(days=is_cut)
        shape.append((kind, is_cut))
        said |= {f"day{number}": whole} | ({} if kind == "platform" else {f"value{number}": value})
        if is_cut:
            end = midnight(whole, zone)
            said |= {f"begun{number}": start.timestamp(), f"start{number}": start, f"end{number}": end}
    used = [Amounts() for _ in asked]
    if asked:
        for number, *sums in await connection.execute(_used_query(connection.dialect.name, tuple(shape)), said):
            used[number] += Amounts(*(float(amount) for amount in sums))
    return used


@lru_cache(maxsize=256)
def _used_query(dialect: str, shape: tuple[tuple[str, bool], ...]) -> CompoundSelect[Any]:
    """Made once for the kinds of subjects, and whether a part of a day is asked for: to make it takes longer than to
    answer it."""
    parts: list[Select[Any]] = []
    for number, (kind, is_cut) in enumerate(shape):
        parts.append(_days_query(kind, number))
        if is_cut:
            parts.append(_part_query(dialect, kind, number))
    return union_all(*parts)


def _days_query(kind: str, number: int) -> Select[Any]:
    columns = (usage_days if kind == "user" else usage_totals).c
    sums = (columns.cpu_hours, columns.memory_gib_hours, columns.gpu_hours, columns.cost, columns.session_hours)
    whose = of_kind(columns.day.table, kind, bindparam(f"value{number}"))
    return _sums_of(number, sums).where(columns.day >= bindparam(f"day{number}"), whose)


def _part_query(dialect: str, kind: str, number: int) -> Select[Any]:
    """What was used from ``start`` to the midnight ``end`` that follows, by the entries that end until then."""
    columns, begun = usage_entries.c, bindparam(f"begun{number}", type_=Float)
    entries = (
        select(
            columns.cpu, columns.memory_gib, columns.gpu, columns.cost,
            case((columns.cpu < 0, -1.0), else_=1.0).label("one"),
            seconds_of(columns.begins, dialect).label("begins"),
            seconds_of(columns.ends, dialect).label("ends"),
        )
        .where(
            columns.ends > bindparam(f"start{number}", type_=UtcDateTime),
            columns.ends <= bindparam(f"end{number}", type_=UtcDateTime),
            of_kind(usage_entries, kind, bindparam(f"value{number}")),
        )
    )  # fmt: skip
    entry = once(entries, "entry").c
    hours = (entry.ends - case((entry.begins > begun, entry.begins), else_=begun)) / 3600.0
    # an entry of less than a millisecond has no length here, and is in the part as a whole
    share = case((entry.begins >= begun, 1.0), else_=hours * 3600.0 / func.nullif(entry.ends - entry.begins, 0.0))
    sums = (entry.cpu * hours, entry.memory_gib * hours, entry.gpu * hours, entry.cost * share, entry.one * hours)
    return _sums_of(number, sums)


def _sums_of(number: int, amounts: Sequence[ColumnElement[Any]]) -> Select[Any]:
    return select(literal_column(str(number), Integer), *(func.coalesce(func.sum(amount), 0.0) for amount in amounts))


async def entries_since(
    connection: AsyncConnection, subject: str, start: datetime, limit: int
) -> list[tuple[datetime, datetime, Amounts]]:
    """The entries of a subject that reach into a window, oldest first: begin, end, and use per hour."""
    columns = usage_entries.c
    query = (
        select(columns.begins, columns.ends, columns.cpu, columns.memory_gib, columns.gpu, columns.cost)
        .where(columns.ends > start, is_of(usage_entries, subject))
        .order_by(columns.ends)
        .limit(limit)
    )
    found: list[tuple[datetime, datetime, Amounts]] = []
    for begins, ends, cpu, memory_gib, gpu, cost in await connection.execute(query):
        found.append((begins, ends, Amounts(cpu, memory_gib, gpu, cost / hours_between(begins, ends), 1.0)))
    return found


async def sum_days(
    connection: AsyncConnection,
    since: date,
    until: date,
    by: Sequence[str],
    conditions: dict[str, Any],
    most: int | None = None,
) -> list[tuple[dict[str, Any], Amounts]]:
    """The days from ``since`` to ``until``, both included, summed by some of the columns of ``usage_days``.

    No more than ``most`` sums are read.
    """
    columns = (usage_days if "owner" in (*by, *conditions) else usage_totals).c
    keys = [columns[name] for name in by]
    sums = [func.sum(columns[name]) for name in (*HOURS, "cost")]
    query = select(*keys, *sums).where(columns.day >= since, columns.day <= until)
    query = query.where(*(columns[name] == value for name, value in conditions.items()))
    if keys:
        query = query.group_by(*keys).order_by(*keys)
    if most is not None:
        query = query.limit(most)
    found = []
    for row in await connection.execute(query):
        cpu, memory_gib, gpu, session, cost = (value or 0.0 for value in row[len(by) :])
        found.append((dict(zip(by, row, strict=False)), Amounts(cpu, memory_gib, gpu, cost, session)))
    return found


async def home_gib(connection: AsyncConnection, owner: str) -> float:
    """What the owner's home holds, in GiB, as its site measured it last; 0 where nobody has."""
    found = await connection.execute(select(homes.c.used_bytes).where(homes.c.owner == owner))
    return (found.scalar_one_or_none() or 0) / GIB
