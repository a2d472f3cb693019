"""The queries of open leases: what they hold at once, and what they have used that no entry holds yet, and reserve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Float,
    Select,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Kind, LeaseState
from perijove_hub.ledger.dialects import once, seconds_of
from perijove_hub.ledger.metering import Amounts, hours_between
from perijove_hub.ledger.quota import Held, Use
from perijove_hub.ledger.schema import IS_OPEN, UtcDateTime, leases
from perijove_hub.ledger.subjects import is_of, kind_and_value, of_kind


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

    spent: Amounts
    reserved: Amounts
    per_hour: Amounts


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
    amounts = [float(amount) for amount in found.one()]
    return Pending(*(Amounts(*amounts[first : first + 5]) for first in (0, 5, 10)))


@cache
def _pending_query(dialect: str, kind: str) -> Select[Any]:
    """Made once for each kind of subject: it takes longer to make than to answer."""
    columns, begun, at = leases.c, bindparam("begun", type_=Float), bindparam("at", type_=Float)
    open_leases = (
        select(
            columns.cpu, columns.memory_gib, columns.gpu, func.coalesce(columns.cost_hour, 0.0).label("cost_hour"),
            (columns.state == LeaseState.ACTIVE).label("active"),
            seconds_of(func.coalesce(columns.metered_until, columns.created), dialect).label("metered"),
            seconds_of(func.coalesce(columns.reserved_until, columns.created), dialect).label("reserved"),
        )
        .where(
            holds(bindparam("now", type_=UtcDateTime)),
            columns.id != bindparam("excluding"),
            of_kind(leases, kind, bindparam("value")),
        )
    )  # fmt: skip
    lease = once(open_leases, "lease").c
    since = case((lease.metered > begun, lease.metered), else_=begun)
    # what has not begun is held its first slice, whenever that begins
    until = case((and_(lease.active, lease.metered < at), at), else_=lease.metered)
    with_hours = select(
        lease.cpu, lease.memory_gib, lease.gpu, lease.cost_hour, literal(1.0).label("one"),
        (case((and_(lease.active, since < at), at - since), else_=0.0) / 3600.0).label("spent"),
        (case((lease.reserved > until, lease.reserved - until), else_=0.0) / 3600.0).label("ahead"),
    )  # fmt: skip
    hours = once(with_hours, "hours").c
    rates = (hours.cpu, hours.memory_gib, hours.gpu, hours.cost_hour, hours.one)
    times = (hours.spent, hours.ahead, literal(1.0))
    return select(*(func.coalesce(func.sum(rate * time), 0.0) for time in times for rate in rates))


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
