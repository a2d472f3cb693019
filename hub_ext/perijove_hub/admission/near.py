"""Who is near a limit: every limit over all subjects that hold or have used something, read with few queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Override, QuotaView
from perijove_hub.ledger import said_store, store, usage_store
from perijove_hub.ledger.binding import limits_of_platform, limits_of_pool, limits_of_site, limits_of_user
from perijove_hub.ledger.metering import Amounts
from perijove_hub.ledger.quota import Held, Limit, Use, view_limit
from perijove_hub.ledger.usage_store import Running
from perijove_hub.policy.models import Platform

#: How many users are looked at, those who have used most first.
USERS_LOOKED_AT = 2000


@dataclass
class _Sums:
    """What every subject has: held at once, used in each window, and used per hour by what runs."""

    held: dict[str, Held]
    used: dict[tuple[str, datetime], Amounts]
    running: dict[str, list[Running]]

    def use(self, limit: Limit, now: datetime) -> Use:
        if limit.span is None:
            return Use(self.held.get(limit.subject, Held()).of(limit.resource))
        use = Use(self.used.get((limit.subject, limit.span.start), Amounts()).of(limit.resource))
        for lease in self.running.get(limit.subject, ()):
            more = lease.use(limit.resource, limit.span.start, now)
            use = Use(use.spent + more.spent, use.reserved + more.reserved)
        return use


async def near_limits(
    connection: AsyncConnection, platform: Platform, now: datetime, share: float, most: int
) -> list[QuotaView]:
    """The limits of which at least ``share`` is used, the fullest first; limits of nothing are left out.

    A rolling window is taken from the midnight after its start: for a list of people to look at, whole days do.
    """
    overrides = await said_store.active_overrides(connection, now)
    groups = await store.groups_of_owners(connection, USERS_LOOKED_AT)
    running = await usage_store.running_leases(connection, now)
    limits = [limit for limit in _every_limit(platform, groups, now, overrides) if limit.limit > 0]
    sums = _Sums(await usage_store.held_by_subject(connection, now), {}, _by_subject(running))
    for start in {limit.span.start for limit in limits if limit.span}:
        for subject, used in (await usage_store.used_by_subject(connection, start, platform.zone)).items():
            sums.used[subject, start] = used
    homes = await usage_store.homes_gib(connection)
    found = []
    for limit in limits:
        use = Use(homes.get(limit.subject, 0.0)) if limit.resource == "home_gib" else sums.use(limit, now)
        if use.used >= share * limit.limit:
            rate = (
                sum(lease.per_hour.of(limit.resource) for lease in sums.running.get(limit.subject, ()))
                if limit.is_windowed
                else 0.0
            )
            found.append(view_limit(limit, use, rate, now))
    found.sort(key=lambda view: (-view.used / view.limit, view.subject, view.name))
    return found[:most]


def _every_limit(
    platform: Platform, groups: dict[str, frozenset[str]], now: datetime, overrides: Iterable[Override]
) -> Iterable[Limit]:
    for owner, member_of in groups.items():
        yield from limits_of_user(platform, owner, member_of, now, overrides)
    pools = {group for member_of in groups.values() for group in member_of}
    for pool in sorted(pools | {allocation.group for allocation in platform.allocations}):
        # an allocation that is over is no limit that anybody is near to
        yield from (limit for limit in limits_of_pool(platform, pool, now, overrides) if limit.void is None)
    for site in platform.sites:
        yield from limits_of_site(platform, site, now, overrides)
    yield from limits_of_platform(platform, now, overrides)


def _by_subject(running: Iterable[Running]) -> dict[str, list[Running]]:
    found: dict[str, list[Running]] = {}
    for lease in running:
        for subject in usage_store.subjects_of(lease.subject_owner, lease.charge_to, lease.site):
            found.setdefault(subject, []).append(lease)
    return found
