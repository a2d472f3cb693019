"""Who is near a limit: every limit over all subjects that hold or have used something, read with few queries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Override, QuotaView
from perijove_hub.ledger import by_subject, open_use, said_store, store
from perijove_hub.ledger.binding import limits_of_platform, limits_of_pool, limits_of_site, limits_of_user
from perijove_hub.ledger.metering import Amounts
from perijove_hub.ledger.open_use import Running
from perijove_hub.ledger.quota import Held, Limit, Use, view_limit
from perijove_hub.ledger.subjects import subjects_of
from perijove_hub.ledger.windows import window_span
from perijove_hub.policy.limits import Quota
from perijove_hub.policy.models import Platform

#: How many users are looked at: those who have used most, each of the strictest limit that may bind anybody.
USERS_LOOKED_AT = 2000

#: How many users are looked at until others have their turn.
AT_A_TIME = 50

#: A resource, and since when its use counts; None for what is held at once.
Window = tuple[str, datetime | None]


@dataclass
class _Sums:
    """What subjects have: held at once, used in each window, used per hour by what runs, and kept in homes, in GiB."""

    now: datetime
    held: dict[str, Held]
    running: dict[str, list[Running]]
    used: dict[tuple[str, datetime], Amounts] = field(default_factory=dict)
    homes: dict[str, float] = field(default_factory=dict)

    def add(self, start: datetime, used: Mapping[str, Amounts]) -> None:
        """Take in what subjects have used since ``start``."""
        self.used.update({(subject, start): amounts for subject, amounts in used.items()})

    def use(self, subject: str, resource: str, start: datetime | None) -> Use:
        """What a subject has used of a resource since ``start``; without one, what it holds."""
        if resource == "home_gib":
            return Use(self.homes.get(subject, 0.0))
        if start is None:
            return Use(self.held.get(subject, Held()).of(resource))
        use = Use(self.used.get((subject, start), Amounts()).of(resource))
        for lease in self.running.get(subject, ()):
            more = lease.use(resource, start, self.now)
            rate = lease.per_hour.of(resource)
            use = Use(use.spent + more.spent, use.reserved + more.reserved, use.per_hour + rate)
        return use

    def view(self, limit: Limit, share: float) -> QuotaView | None:
        """The limit with what is used of it, when that is at least a share of it; a limit of nothing never is."""
        use = self.use(limit.subject, limit.resource, limit.span.start if limit.span else None)
        if limit.limit <= 0 or use.used < share * limit.limit:
            return None
        return view_limit(limit, use, self.now)


async def near_limits(
    connection: AsyncConnection, platform: Platform, now: datetime, share: float, most: int
) -> list[QuotaView]:
    """The limits of which at least ``share`` is used, the fullest first; limits of nothing are left out.

    A rolling window is taken from the midnight after its start: for a list of people to look at, whole days do. Others
    have their turn meanwhile, however many users there are.
    """
    overrides = await said_store.active_overrides(connection, now)
    running = await open_use.running_leases(connection, now)
    sums = _Sums(now, await by_subject.held_by_subject(connection, now), _by_subject(running))
    views = [sums.view(limit, share) for limit in await _shared_limits(connection, platform, overrides, sums)]
    strictest = _strictest(platform.quotas_per["user"], platform, now, overrides)
    await _read_users(connection, platform, strictest, share, sums)
    owners = await _fullest_users(strictest, share, sums)
    groups = await store.groups_of_owners(connection, owners)
    async for owner in _in_turns(owners):
        limits = limits_of_user(platform, owner, groups.get(owner, frozenset()), now, overrides)
        views += [sums.view(limit, share) for limit in limits]
    found = [view for view in views if view is not None]
    found.sort(key=lambda view: (-view.used / view.limit, view.subject, view.name))
    return found[:most]


async def _shared_limits(
    connection: AsyncConnection, platform: Platform, overrides: Sequence[Override], sums: _Sums
) -> list[Limit]:
    """The limits of the platform, of its sites, and of the pools to which something is charged; reads their use."""
    now, per = sums.now, platform.quotas_per
    granted = {allocation.group for allocation in platform.allocations}
    windows = {*_strictest([*per["group"], *per["class"]], platform, now, overrides)}
    windows |= {
        (limit.resource, limit.span.start)
        for group in granted
        for limit in limits_of_pool(platform, group, now, overrides)
        if limit.span
    }
    await _read(connection, platform, windows, "charge_to", sums)
    await _read(connection, platform, _strictest(per["site"], platform, now, overrides), "site", sums)
    await _read(connection, platform, _strictest(per["platform"], platform, now, overrides), None, sums)
    subjects = {*sums.held, *(subject for subject, _ in sums.used)}
    charged = {subject.removeprefix("group:") for subject in subjects if subject.startswith(("group:", "class:"))}
    limits = limits_of_platform(platform, now, overrides)
    for site in platform.sites:
        limits += limits_of_site(platform, site, now, overrides)
    async for pool in _in_turns(sorted(charged | granted)):
        # an allocation that is over is no limit that anybody is near to
        limits += [limit for limit in limits_of_pool(platform, pool, now, overrides) if limit.void is None]
    return limits


async def _read(
    connection: AsyncConnection,
    platform: Platform,
    windows: Iterable[Window],
    key: Literal["charge_to", "site"] | None,
    sums: _Sums,
) -> None:
    for start in {start for _, start in windows if start is not None}:
        sums.add(start, await by_subject.used_by_subject(connection, start, platform.zone, key))


async def _read_users(
    connection: AsyncConnection, platform: Platform, strictest: Mapping[Window, float], share: float, sums: _Sums
) -> None:
    for since in {start for _, start in strictest if start is not None}:
        least = {resource: share * limit for (resource, start), limit in strictest.items() if start == since}
        sums.add(since, await by_subject.used_by_users(connection, since, platform.zone, least))
    if ("home_gib", None) in strictest:
        sums.homes = await by_subject.homes_gib(connection, share * strictest["home_gib", None])


def _strictest(
    quotas: Iterable[Quota], platform: Platform, now: datetime, overrides: Iterable[Override]
) -> dict[Window, float]:
    """The lowest limit that these quotas, or what admins put in their place, may set for each resource and window."""
    said: dict[str, list[float]] = {}
    for override in overrides:
        said.setdefault(override.quota, []).append(override.limit)
    found: dict[Window, float] = {}
    for quota in quotas:
        window = (quota.resource, window_span(quota.window, now, platform.zone).start if quota.window else None)
        for limit in (quota.limit, *said.get(quota.name, ())):
            if limit > 0:
                found[window] = min(limit, found.get(window, limit))
    return found


async def _fullest_users(strictest: Mapping[Window, float], share: float, sums: _Sums) -> list[str]:
    """The users who have used at least a share of a limit, if the strictest one binds them; the fullest first."""
    subjects = {*sums.held, *(subject for subject, _ in sums.used), *sums.homes}
    fullest: list[tuple[float, str]] = []
    async for subject in _in_turns(sorted(subject for subject in subjects if subject.startswith("user:"))):
        full = max((sums.use(subject, *window).used / limit for window, limit in strictest.items()), default=0.0)
        if full >= share:
            fullest.append((-full, subject.removeprefix("user:")))
    return [owner for _, owner in sorted(fullest)[:USERS_LOOKED_AT]]


async def _in_turns(names: Iterable[str]) -> AsyncIterator[str]:
    for number, name in enumerate(names, 1):
        yield name
        if number % AT_A_TIME == 0:
            await asyncio.sleep(0)


def _by_subject(running: Iterable[Running]) -> dict[str, list[Running]]:
    found: dict[str, list[Running]] = {}
    for lease in running:
        for subject in subjects_of(lease.subject_owner, lease.charge_to, lease.site):
            found.setdefault(subject, []).append(lease)
    return found
