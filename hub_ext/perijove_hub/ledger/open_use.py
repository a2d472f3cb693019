"""The queries of open leases: what they hold at once, and what they have used that no entry holds yet, and reserve."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from math import inf
from operator import add
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Float,
    Select,
    Subquery,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from perijove.models import Kind, LeaseState
from perijove_hub.ledger.dialects import once, seconds_of
from perijove_hub.ledger.metering import Amounts, hours_between
from perijove_hub.ledger.quota import Held, Use
from perijove_hub.ledger.schema import IS_OPEN, UtcDateTime, leases
from perijove_hub.ledger.subjects import is_of, kind_and_value, of_kind

#: PostgreSQL takes a plain 1.0 for a numeric, and to reckon with that in each row costs it a fifth of a query's time.
_ONE = cast(literal_column("1.0"), Float)
#: A row of :func:`holdings` that counts nothing.
_NOTHING = (inf, *[0.0] * 17)


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
        query = query.where(or_(*(is_of(leases, subject) for subject in subjects)))
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


@dataclass(frozen=True)
class Pending:
    """What the open leases of a subject have used that no entry holds yet, what they reserve, and use per hour."""

    spent: Amounts = field(default_factory=Amounts)
    reserved: Amounts = field(default_factory=Amounts)
    per_hour: Amounts = field(default_factory=Amounts)


async def pending_use(
    connection: AsyncConnection, subject: str, start: datetime, now: datetime, excluding: str | None = None
) -> Pending:
    """What open leases add to the entries of a subject since ``start``.

    The same sums as those of :meth:`Running.use`, made by the database: a pool may have thousands of leases.
    """
    kind, value = kind_and_value(subject)
    found = await connection.execute(
        _pending_query(connection.dialect.name, kind),
        {
            "begun": start.timestamp(), "at": now.timestamp(), "now": now, "excluding": excluding or "",
            **({} if kind == "platform" else {"value": value}),
        },
    )  # fmt: skip
    return _pending(found.one())


@cache
def _pending_query(dialect: str, kind: str) -> Select[Any]:
    """Made once for each kind of subject: it takes longer to make than to answer."""
    subject = of_kind(leases, kind, bindparam("value"))
    hours = _open_hours(dialect, subject, begun=bindparam("begun", type_=Float)).c
    return select(*(func.coalesce(amount, 0.0) for amount in _sums(hours)))


def _open_hours(
    dialect: str, condition: ColumnElement[bool], begun: BindParameter[float] | None, *more: ColumnElement[Any]
) -> Subquery:
    """Open leases with the hours that no entry holds, those since ``begun`` where it is given, and those reserved."""
    columns, at = leases.c, bindparam("at", type_=Float)
    open_leases = (
        select(
            columns.cpu, columns.memory_gib, columns.gpu, func.coalesce(columns.cost_hour, 0.0).label("cost_hour"),
            (columns.state == LeaseState.ACTIVE).label("active"),
            seconds_of(func.coalesce(columns.metered_until, columns.created), dialect).label("metered"),
            seconds_of(func.coalesce(columns.reserved_until, columns.created), dialect).label("reserved"),
            *more,
        )
        .where(holds(bindparam("now", type_=UtcDateTime)), columns.id != bindparam("excluding"), condition)
    )  # fmt: skip
    lease = once(open_leases, "lease").c
    since = lease.metered if begun is None else case((lease.metered > begun, lease.metered), else_=begun)
    # what has not begun is held its first slice, whenever that begins
    until = case((and_(lease.active, lease.metered < at), at), else_=lease.metered)
    return once(
        select(
            lease.cpu, lease.memory_gib, lease.gpu, lease.cost_hour, _ONE.label("one"),
            (case((and_(lease.active, since < at), at - since), else_=0.0) / 3600.0).label("spent"),
            (case((lease.reserved > until, lease.reserved - until), else_=0.0) / 3600.0).label("ahead"),
            case((lease.active, lease.metered)).label("metered"),
            *(lease[str(column.key)] for column in more),
        ),
        "hours",
    )  # fmt: skip


def _sums(hours: ReadOnlyColumnCollection[str, Any]) -> list[ColumnElement[Any]]:
    """What :func:`_pending` reads."""
    rates = (hours.cpu, hours.memory_gib, hours.gpu, hours.cost_hour, hours.one)
    return [
        *(func.sum(rate * time) for time in (hours.spent, hours.ahead) for rate in rates),
        *(func.sum(rate) for rate in rates),
    ]


def _pending(sums: Sequence[Any]) -> Pending:
    spent, reserved, per_hour = (Amounts(*map(float, sums[first : first + 5])) for first in (0, 5, 10))
    return Pending(spent, reserved, per_hour)


@dataclass(frozen=True)
class OpenUse:
    """What the open leases of one subject hold at once, and what is pending of them.

    ``metered`` is since when, in seconds since 1970, something has been used that no entry holds.
    """

    held: Held = field(default_factory=Held)
    pending: Pending = field(default_factory=Pending)
    metered: float = inf


@dataclass(frozen=True)
class Holdings:
    """What open leases hold and use: of one owner, of each pool asked for, on each site, and in all."""

    user: OpenUse = field(default_factory=OpenUse)
    pools: dict[str, OpenUse] = field(default_factory=dict)
    sites: dict[str, OpenUse] = field(default_factory=dict)
    platform: OpenUse = field(default_factory=OpenUse)

    def of(self, subject: str) -> Held:
        """What a subject holds."""
        return self._of(subject).held

    def pending(self, subject: str, start: datetime) -> Pending | None:
        """What its open leases add to its entries since ``start``; None when part of that was used before."""
        found = self._of(subject)
        return found.pending if found.metered >= start.timestamp() else None

    def held_by_site(self) -> dict[str, Held]:
        """What is held on each site on which anything is."""
        return {site: use.held for site, use in self.sites.items()}

    def _of(self, subject: str) -> OpenUse:
        kind, _, name = subject.partition(":")
        if kind == "user":
            return self.user
        if kind in ("group", "class"):
            # a pool that was not asked for is not one that uses nothing
            return self.pools[subject if kind == "class" else name]
        return self.sites.get(name, OpenUse()) if kind == "site" else self.platform


async def holdings(
    connection: AsyncConnection,
    now: datetime,
    owner: str = "",
    pools: Collection[str] = (),
    excluding: str | None = None,
) -> Holdings:
    """Everything that is open, in one query. An offer counts on its first candidate until it starts."""
    found = await connection.execute(
        _holdings_query(connection.dialect.name),
        {"at": now.timestamp(), "now": now, "excluding": excluding or "", "owner": owner, "pools": list(pools)},
    )
    # rows are added up as they are, and made into what they mean at the end: there are many, and a start waits for them
    user, platform = list(_NOTHING), list(_NOTHING)
    by_pool = {pool: list(_NOTHING) for pool in pools}
    by_site: dict[str, list[float]] = {}
    for site, is_mine, pool, *row in found:
        for total in (
            platform,
            user if is_mine else None,
            by_pool[pool] if pool is not None else None,
            by_site.setdefault(site, list(_NOTHING)) if site is not None else None,
        ):
            if total is not None:
                total[0] = min(total[0], inf if row[0] is None else row[0])
                total[1:] = map(add, total[1:], row[1:])
    return Holdings(
        _open_use(user),
        {pool: _open_use(total) for pool, total in by_pool.items()},
        {site: _open_use(total) for site, total in by_site.items()},
        _open_use(platform),
    )


def _open_use(total: Sequence[float]) -> OpenUse:
    metered, sessions, clusters, *sums = total
    pending = _pending(sums)
    rate = pending.per_hour
    held = Held(round(sessions), round(clusters), rate.cpu_hours, rate.memory_gib_hours, round(rate.gpu_hours))
    return OpenUse(held, pending, metered)


@cache
def _holdings_query(dialect: str) -> Select[Any]:
    columns = leases.c
    mine = case((columns.owner == bindparam("owner"), 1), else_=0).label("mine")
    pool = case((columns.charge_to.in_(bindparam("pools", expanding=True)), columns.charge_to)).label("pool")
    hours = _open_hours(dialect, true(), None, columns.site, columns.kind, mine, pool).c
    return select(
        hours.site, hours.mine, hours.pool,
        func.min(hours.metered),
        func.count().filter(hours.kind == Kind.SESSION), func.count().filter(hours.kind == Kind.CLUSTER),
        *_sums(hours),
    ).group_by(hours.site, hours.mine, hours.pool)  # fmt: skip


def holds(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """The condition under which a lease holds its resources; an offer past its time does not."""
    return and_(IS_OPEN, or_(leases.c.state != LeaseState.OFFERED, leases.c.expires > now))
