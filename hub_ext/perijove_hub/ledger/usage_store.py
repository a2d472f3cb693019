"""The queries of use over time: entries, the days they are folded into, and what open leases hold and reserve.

A subject is ``user:NAME``, ``group:NAME``, ``class:NAME``, ``site:NAME`` or ``platform``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Float,
    Select,
    Table,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Kind, LeaseState
from perijove_hub.ledger.binding import subject_of_pool
from perijove_hub.ledger.dialects import add_to, insert_once
from perijove_hub.ledger.metering import Amounts, amounts, hours_between, price_version
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.quota import Held, Use
from perijove_hub.ledger.schema import IS_OPEN, UtcDateTime, homes, leases, prices, usage_days, usage_entries
from perijove_hub.ledger.windows import cut_by_day, midnight
from perijove_hub.policy.limits import CLASS_PREFIX

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
    await add_to(connection, usage_days, {"day": day, **whose}, sums)
    return True


async def used_since(connection: AsyncConnection, subject: str, start: datetime, zone: ZoneInfo) -> Amounts:
    """What the entries of a subject say it has used since ``start``; to the second, whole days from their fold."""
    day = start.astimezone(zone).date()
    if midnight(day, zone) == start:
        return await _days_since(connection, subject, day)
    following = day + timedelta(days=1)
    return await _days_since(connection, subject, following) + await _part_of_a_day(
        connection, subject, start, midnight(following, zone)
    )


async def _days_since(connection: AsyncConnection, subject: str, day: date) -> Amounts:
    sums = [func.coalesce(func.sum(usage_days.c[name]), 0.0) for name in (*HOURS, "cost")]
    query = select(*sums).where(usage_days.c.day >= day, _is_of(usage_days, subject))
    cpu, memory_gib, gpu, session, cost = (await connection.execute(query)).one()
    return Amounts(cpu, memory_gib, gpu, cost, session)


async def _part_of_a_day(connection: AsyncConnection, subject: str, start: datetime, end: datetime) -> Amounts:
    """What was used from ``start`` to the midnight ``end`` that follows, by the entries that end until then."""
    kind, value = _kind_and_value(subject)
    found = await connection.execute(
        _part_query(connection.dialect.name, kind),
        {
            "begun": start.timestamp(), "start": start, "end": end,
            **({} if kind == "platform" else {"value": value}),
        },
    )  # fmt: skip
    return Amounts(*(float(amount) for amount in found.one()))


@cache
def _part_query(dialect: str, kind: str) -> Select[Any]:
    """Made once for each kind of subject, as :func:`_pending_query` is."""
    columns, begun = usage_entries.c, bindparam("begun", type_=Float)
    entries = (
        select(
            columns.cpu, columns.memory_gib, columns.gpu, columns.cost,
            case((columns.cpu < 0, -1.0), else_=1.0).label("one"),
            _seconds(columns.begins, dialect).label("begins"),
            _seconds(columns.ends, dialect).label("ends"),
        )
        .where(
            columns.ends > bindparam("start", type_=UtcDateTime),
            columns.ends <= bindparam("end", type_=UtcDateTime),
            _of_kind(usage_entries, kind, bindparam("value")),
        )
    )  # fmt: skip
    entry = _once(entries, "entry").c
    hours = (entry.ends - case((entry.begins > begun, entry.begins), else_=begun)) / 3600.0
    # an entry of less than a millisecond has no length here, and is in the part as a whole
    share = case((entry.begins >= begun, 1.0), else_=hours * 3600.0 / func.nullif(entry.ends - entry.begins, 0.0))
    sums = (entry.cpu * hours, entry.memory_gib * hours, entry.gpu * hours, entry.cost * share, entry.one * hours)
    return select(*(func.coalesce(func.sum(amount), 0.0) for amount in sums))


@dataclass(frozen=True)
class Running:
    """An open lease as far as limits over time are concerned."""

    subject_owner: str
    charge_to: str | None
    site: str | None
    state: LeaseState
    per_hour: Amounts
    metered_until: datetime
    reserved_until: datetime
    ends_at: datetime | None

    def is_of(self, subject: str) -> bool:
        """Whether it counts for a subject."""
        kind, _, name = subject.partition(":")
        if kind == "user":
            return self.subject_owner == name
        if kind in ("group", "class"):
            return self.charge_to == (subject if kind == "class" else name)
        return kind == "platform" or self.site == name

    def use(self, resource: str, start: datetime, now: datetime) -> Use:
        """What it has used since ``start`` that no entry holds yet, and what is reserved for it beyond now."""
        rate = self.per_hour.of(resource)
        if self.state is not LeaseState.ACTIVE:
            # it has not begun: its first slice is held for it, whenever that begins
            return Use(0.0, rate * hours_between(self.metered_until, self.reserved_until))
        spent = hours_between(max(self.metered_until, start), now)
        return Use(rate * spent, rate * hours_between(max(now, self.metered_until), self.reserved_until))


async def running_leases(
    connection: AsyncConnection, now: datetime, subjects: Sequence[str] | None = None
) -> list[Running]:
    """The open leases of these subjects, or all of them."""
    columns = leases.c
    query = select(
        columns.owner, columns.charge_to, columns.site, columns.state, columns.cpu, columns.memory_gib, columns.gpu,
        columns.cost_hour, columns.metered_until, columns.reserved_until, columns.created, columns.ends_at,
    ).where(holds(now))  # fmt: skip
    if subjects is not None:
        query = query.where(or_(*(_is_of(leases, subject) for subject in subjects)))
    found = []
    for (
        owner,
        charge_to,
        site,
        state,
        cpu,
        memory_gib,
        gpu,
        cost_hour,
        metered,
        reserved,
        created,
        ends_at,
    ) in await connection.execute(query):
        per_hour = Amounts(cpu, memory_gib, gpu, cost_hour or 0.0, 1.0)
        begun = metered or created
        found.append(
            Running(owner, charge_to, site, LeaseState(state), per_hour, begun, max(begun, reserved or begun), ends_at)
        )
    return found


async def pending_use(
    connection: AsyncConnection, subject: str, start: datetime, now: datetime, excluding: str | None = None
) -> tuple[Amounts, Amounts]:
    """What the open leases of a subject have used since ``start`` that no entry holds yet, and what they reserve.

    The same sums as those of :meth:`Running.use`, made by the database: a pool may have thousands of leases.
    """
    kind, value = _kind_and_value(subject)
    found = await connection.execute(
        _pending_query(connection.dialect.name, kind),
        {
            "begun": start.timestamp(), "at": now.timestamp(), "now": now, "excluding": excluding or "",
            **({} if kind == "platform" else {"value": value}),
        },
    )  # fmt: skip
    amounts = [float(amount) for amount in found.one()]
    return Amounts(*amounts[:5]), Amounts(*amounts[5:])


@cache
def _pending_query(dialect: str, kind: str) -> Select[Any]:
    """Made once for each kind of subject: it takes longer to make than to answer."""
    columns, begun, at = leases.c, bindparam("begun", type_=Float), bindparam("at", type_=Float)
    open_leases = (
        select(
            columns.cpu, columns.memory_gib, columns.gpu, func.coalesce(columns.cost_hour, 0.0).label("cost_hour"),
            (columns.state == LeaseState.ACTIVE).label("active"),
            _seconds(func.coalesce(columns.metered_until, columns.created), dialect).label("metered"),
            _seconds(func.coalesce(columns.reserved_until, columns.created), dialect).label("reserved"),
        )
        .where(
            holds(bindparam("now", type_=UtcDateTime)),
            columns.id != bindparam("excluding"),
            _of_kind(leases, kind, bindparam("value")),
        )
    )  # fmt: skip
    lease = _once(open_leases, "lease").c
    since = case((lease.metered > begun, lease.metered), else_=begun)
    # what has not begun is held its first slice, whenever that begins
    until = case((and_(lease.active, lease.metered < at), at), else_=lease.metered)
    with_hours = select(
        lease.cpu, lease.memory_gib, lease.gpu, lease.cost_hour, literal(1.0).label("one"),
        (case((and_(lease.active, since < at), at - since), else_=0.0) / 3600.0).label("spent"),
        (case((lease.reserved > until, lease.reserved - until), else_=0.0) / 3600.0).label("ahead"),
    )  # fmt: skip
    hours = _once(with_hours, "hours").c
    rates = (hours.cpu, hours.memory_gib, hours.gpu, hours.cost_hour, hours.one)
    return select(*(func.coalesce(func.sum(rate * time), 0.0) for time in (hours.spent, hours.ahead) for rate in rates))


def _once(query: Select[Any], name: str) -> CTE:
    """A query that is worked out once for each row, and not again in each sum over it."""
    return query.cte(name).prefix_with("MATERIALIZED", dialect="postgresql")


def _seconds(moment: ColumnElement[Any], dialect: str) -> ColumnElement[float]:
    """A moment as seconds since 1970; SQLite keeps it as text, and tells milliseconds."""
    if dialect == "postgresql":
        # extract() gives a numeric, which is slow to reckon with
        return func.date_part("epoch", moment, type_=Float)
    whole, precise, cut = (cast(func.strftime(form, moment), Float) for form in ("%s", "%f", "%S"))
    return whole + precise - cut


@dataclass(frozen=True)
class Holdings:
    """What open leases hold at once: of one owner, of each pool asked for, on each site, and in all."""

    user: Held = field(default_factory=Held)
    pools: dict[str, Held] = field(default_factory=dict)
    sites: dict[str, Held] = field(default_factory=dict)
    platform: Held = field(default_factory=Held)

    def of(self, subject: str) -> Held:
        """What a subject holds."""
        kind, _, name = subject.partition(":")
        if kind == "user":
            return self.user
        if kind in ("group", "class"):
            return self.pools.get(subject if kind == "class" else name, Held())
        return self.sites.get(name, Held()) if kind == "site" else self.platform


async def holdings(
    connection: AsyncConnection,
    now: datetime,
    owner: str = "",
    pools: Iterable[str] = (),
    excluding: str | None = None,
) -> Holdings:
    """Everything that is held at once, in one query. An offer counts on its first candidate until it starts."""
    columns = leases.c
    mine = case((columns.owner == owner, 1), else_=0)
    pool = case((columns.charge_to.in_(list(pools)), columns.charge_to), else_=None)
    query = (
        select(
            columns.site, mine, pool,
            func.count().filter(columns.kind == Kind.SESSION), func.count().filter(columns.kind == Kind.CLUSTER),
            func.sum(columns.cpu), func.sum(columns.memory_gib), func.sum(columns.gpu),
        )
        .where(holds(now), columns.id != (excluding or ""))
        .group_by(columns.site, mine, pool)
    )  # fmt: skip
    user = platform = Held()
    by_pool: dict[str, Held] = {}
    by_site: dict[str, Held] = {}
    for site, is_mine, charged, *sums in await connection.execute(query):
        held = Held(*sums)
        platform += held
        if is_mine:
            user += held
        if charged is not None:
            by_pool[charged] = by_pool.get(charged, Held()) + held
        if site is not None:
            by_site[site] = by_site.get(site, Held()) + held
    return Holdings(user, by_pool, by_site, platform)


def holds(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """The condition under which a lease holds its resources; an offer past its time does not."""
    return and_(IS_OPEN, or_(leases.c.state != LeaseState.OFFERED, leases.c.expires > now))


def _is_of(table: Table, subject: str) -> ColumnElement[bool]:
    return _of_kind(table, *_kind_and_value(subject))


def _kind_and_value(subject: str) -> tuple[str, str]:
    kind, _, name = subject.partition(":")
    return kind, subject if subject.startswith(CLASS_PREFIX) else name


def _of_kind(table: Table, kind: str, value: str | BindParameter[Any]) -> ColumnElement[bool]:
    if kind == "user":
        return table.c.owner == value
    if kind in ("group", "class"):
        return table.c.charge_to == value
    return table.c.site == value if kind == "site" else true()


async def entries_since(
    connection: AsyncConnection, subject: str, start: datetime, limit: int
) -> list[tuple[datetime, datetime, Amounts]]:
    """The entries of a subject that reach into a window, oldest first: begin, end, and use per hour."""
    columns = usage_entries.c
    query = (
        select(columns.begins, columns.ends, columns.cpu, columns.memory_gib, columns.gpu, columns.cost)
        .where(columns.ends > start, _is_of(usage_entries, subject))
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
    keys = [usage_days.c[name] for name in by]
    sums = [func.sum(usage_days.c[name]) for name in (*HOURS, "cost")]
    query = select(*keys, *sums).where(usage_days.c.day >= since, usage_days.c.day <= until)
    query = query.where(*(usage_days.c[name] == value for name, value in conditions.items()))
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


def subjects_of(owner: str, charge_to: str | None, site: str | None) -> list[str]:
    """Every subject that a lease counts for."""
    subjects = [f"user:{owner}", "platform"]
    if charge_to:
        subjects.append(subject_of_pool(charge_to))
    return [*subjects, f"site:{site}"] if site else subjects
