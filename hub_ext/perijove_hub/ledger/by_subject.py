"""What many subjects hold and have used, in few queries: for whoever looks over all of them.

A subject is ``user:NAME``, ``group:NAME``, ``class:NAME``, ``site:NAME`` or ``platform``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Kind
from perijove_hub.ledger.binding import subject_of_pool
from perijove_hub.ledger.metering import Amounts
from perijove_hub.ledger.open_use import holds
from perijove_hub.ledger.quota import Held
from perijove_hub.ledger.removal import REMOVED
from perijove_hub.ledger.schema import IS_OPEN, homes, leases, usage_days
from perijove_hub.ledger.subjects import subjects_of
from perijove_hub.ledger.usage_store import GIB, HOURS, sum_days
from perijove_hub.ledger.windows import midnight

_SUBJECTS: dict[str | None, Callable[[str], str]] = {
    "owner": lambda name: f"user:{name}",
    "charge_to": subject_of_pool,
    "site": lambda name: f"site:{name}",
    None: lambda _: "platform",
}


async def homes_gib(connection: AsyncConnection, least: float) -> dict[str, float]:
    """What homes hold, in GiB, by the subject of their owner: those that hold so much and something."""
    query = select(homes.c.owner, homes.c.used_bytes).where(homes.c.used_bytes > 0, homes.c.used_bytes >= least * GIB)
    return {f"user:{owner}": used_bytes / GIB for owner, used_bytes in await connection.execute(query)}


async def held_by_subject(connection: AsyncConnection, now: datetime) -> dict[str, Held]:
    """What open leases hold at once, by every subject that they count for."""
    columns = leases.c
    query = (
        select(
            columns.owner, columns.charge_to, columns.site,
            func.count().filter(columns.kind == Kind.SESSION), func.count().filter(columns.kind == Kind.CLUSTER),
            func.sum(columns.cpu), func.sum(columns.memory_gib), func.sum(columns.gpu),
        )
        .where(holds(now))
        .group_by(columns.owner, columns.charge_to, columns.site)
    )  # fmt: skip
    found: dict[str, Held] = {}
    for owner, charge_to, site, *sums in await connection.execute(query):
        for subject in subjects_of(owner, charge_to, site):
            found[subject] = found.get(subject, Held()) + Held(*sums)
    return found


async def used_by_subject(
    connection: AsyncConnection, start: datetime, zone: ZoneInfo, key: Literal["charge_to", "site"] | None
) -> dict[str, Amounts]:
    """What was used on the whole days since ``start`` by each pool or site; by the platform where there is no key."""
    found: dict[str, Amounts] = {}
    for values, used in await sum_days(connection, _first_day(start, zone), date.max, [key] if key else [], {}):
        if key is None or values[key]:
            found[_SUBJECTS[key](str(values.get(key or "", "")))] = used
    return found


async def used_by_users(
    connection: AsyncConnection, start: datetime, zone: ZoneInfo, least: Mapping[str, float]
) -> dict[str, Amounts]:
    """What users have used on the whole days since ``start``: those who have something open, and those of the others
    who have used at least so much of one of the resources of ``least``.

    There may be very many users: the database leaves out those who have used little.
    """
    columns = {**usage_days.c, "credits": usage_days.c.cost}
    enough = [func.sum(columns[resource]) >= amount for resource, amount in least.items()]
    has_open = usage_days.c.owner.in_(select(leases.c.owner).where(IS_OPEN))
    query = (
        select(usage_days.c.owner, *(func.sum(usage_days.c[name]) for name in (*HOURS, "cost")))
        .where(usage_days.c.day >= _first_day(start, zone), usage_days.c.owner != REMOVED)
        .group_by(usage_days.c.owner)
        .having(or_(*enough, has_open))
    )
    found = {}
    for owner, cpu, memory_gib, gpu, session, cost in await connection.execute(query):
        found[f"user:{owner}"] = Amounts(cpu, memory_gib, gpu, cost, session)
    return found


def _first_day(start: datetime, zone: ZoneInfo) -> date:
    day = start.astimezone(zone).date()
    return day if midnight(day, zone) == start else day + timedelta(days=1)
