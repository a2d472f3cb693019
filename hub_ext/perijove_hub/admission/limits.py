"""What admission knows of limits at one moment, read in the caller's transaction: which bind, and what is used.

The decisions over it are pure and stand in :mod:`perijove_hub.ledger.quota`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Kind, Override, Price, QuotaView, Resources
from perijove_hub.admission.models import refuse
from perijove_hub.ledger import open_use, said_store, usage_store
from perijove_hub.ledger.binding import (
    chargeable_groups,
    limits_of_platform,
    limits_of_pool,
    limits_of_site,
    limits_of_user,
)
from perijove_hub.ledger.metering import Amounts, amounts
from perijove_hub.ledger.open_use import Holdings
from perijove_hub.ledger.quota import Limit, Need, OverLimit, Use, first_over, hours_that_fit, view_limit
from perijove_hub.policy.models import Platform

#: How many entries are looked through to say when a rolling window has room again.
ENTRIES_LOOKED_THROUGH = 5000


@dataclass(frozen=True)
class Who:
    """Whose lease it is, and who pays."""

    owner: str
    groups: frozenset[str]
    charge_to: str | None


@dataclass(frozen=True)
class Standing:
    """The limits that bind somebody now, with what is used of each.

    ``general`` bind wherever the workload runs; ``by_site`` those that one site has of its own.
    """

    platform: Platform
    now: datetime
    general: tuple[Limit, ...]
    by_site: Mapping[str, tuple[Limit, ...]]
    uses: Mapping[Limit, Use]
    holdings: Holdings
    overrides: tuple[Override, ...]

    @property
    def least_hours(self) -> float:
        """A workload that fits for less than this does not fit."""
        return min(self.platform.admission.least_slice, self.platform.admission.slice).total_seconds() / 3600

    def first_over(self, resources: Resources, kind: Kind = Kind.SESSION) -> OverLimit | None:
        """The first limit that a workload of these resources would pass wherever it ran."""
        plain = [limit for limit in self.general if limit.resource != "credits"]
        return self._first_over(plain, resources, None, kind)

    def first_over_at(self, site: str, resources: Resources, kind: Kind = Kind.SESSION) -> OverLimit | None:
        """The first limit that it would pass at this site: the site's own, and those in money, since prices differ."""
        policy = self.platform.sites.get(site)
        priced = [limit for limit in self.general if limit.resource == "credits"]
        limits = [*self.by_site.get(site, ()), *priced]
        return self._first_over(limits, resources, policy.price if policy else None, kind)

    def _first_over(
        self, limits: Iterable[Limit], resources: Resources, price: Price | None, kind: Kind
    ) -> OverLimit | None:
        need = Need.of(kind, resources, amounts(resources, price, 1.0))
        return first_over(limits, self.uses, need, self.least_hours, self.platform.zone)

    def slice_at(self, site: str, resources: Resources, price: Price | None = None) -> timedelta:
        """For how long a workload fits at a site, at most a slice; at the site's price, or at the one it started at."""
        policy = self.platform.sites.get(site)
        price = price or (policy.price if policy else None)
        need = Need.of(Kind.SESSION, resources, amounts(resources, price, 1.0))  # over time, all kinds are alike
        most = self.platform.admission.slice.total_seconds() / 3600
        limits = [*self.general, *self.by_site.get(site, ())]
        return timedelta(hours=hours_that_fit(limits, self.uses, need, most))

    def lasts_hours(self, site: str, resources: Resources) -> float | None:
        """How long the tightest limit over time lasts for it at a site; None where there is none."""
        policy = self.platform.sites.get(site)
        per_hour = amounts(resources, policy.price if policy else None, 1.0)
        limits = [*self.general, *self.by_site.get(site, ())]
        rates = [(limit, per_hour.of(limit.resource)) for limit in limits if limit.is_windowed]
        left = [(limit.limit - self.uses[limit].used) / rate for limit, rate in rates if rate > 0]
        return round(max(0.0, min(left)), 2) if left else None


async def stand(
    connection: AsyncConnection,
    platform: Platform,
    who: Who,
    now: datetime,
    *,
    sites: Iterable[str] = (),
    excluding: str | None = None,
    overrides: tuple[Override, ...] | None = None,
) -> Standing:
    """Read which limits bind somebody and what is used of them.

    Args:
        connection: of a transaction, which holds the locks of the subjects where something is decided.
        platform: the platform file in force.
        who: asks, and pays.
        now: the time.
        sites: whose own limits are of interest.
        excluding: a lease that does not count, since it is about to be renewed or moved.
        overrides: those in force, when the caller has asked for them already.
    """
    if overrides is None:
        overrides = tuple(await said_store.active_overrides(connection, now))
    pool = limits_of_pool(platform, who.charge_to, now, overrides) if who.charge_to else []
    general = (
        *limits_of_user(platform, who.owner, who.groups, now, overrides),
        *pool,
        *limits_of_platform(platform, now, overrides),
    )
    general = tuple(limit for limit in general if limit.resource != "home_gib")
    by_site = {site: tuple(limits_of_site(platform, site, now, overrides)) for site in sites}
    everything = [*general, *(limit for limits in by_site.values() for limit in limits)]
    pools = [who.charge_to] if who.charge_to else []
    held = await open_use.holdings(connection, now, who.owner, pools, excluding)
    uses = await uses_of(connection, platform, everything, held, now, excluding)
    return Standing(platform, now, general, by_site, uses, held, overrides)


async def uses_of(
    connection: AsyncConnection,
    platform: Platform,
    limits: Sequence[Limit],
    held: Holdings,
    now: datetime,
    excluding: str | None = None,
) -> dict[Limit, Use]:
    """What is used of each limit: what is held at once, and what entries and open leases used over its window."""
    windows = {limit: (limit.subject, limit.span.start) for limit in limits if limit.span is not None}
    asked = list(dict.fromkeys(windows.values()))
    entered = await usage_store.used_since(connection, asked, platform.zone)
    found: dict[tuple[str, datetime], tuple[Amounts, Amounts, Amounts]] = {}
    for key, spent in zip(asked, entered, strict=True):
        pending = held.pending(*key) or await open_use.pending_use(connection, *key, now, excluding)
        found[key] = (spent + pending.spent, pending.reserved, pending.per_hour)
    at_once = [limit for limit in limits if limit.span is None and limit.resource != "home_gib"]
    return {limit: Use(held.of(limit.subject).of(limit.resource)) for limit in at_once} | {
        limit: Use(*(amount.of(limit.resource) for amount in found[key])) for limit, key in windows.items()
    }


async def when_it_frees(connection: AsyncConnection, over: OverLimit, now: datetime) -> OverLimit:
    """The refusal with the time at which it would fit, where that can be told."""
    limit = over.limit
    if over.never_fits:
        return replace(over, frees_at=None)
    if not limit.is_windowed:
        running = await open_use.running_leases(connection, now, [limit.subject])
        times = [lease.ends_at for lease in running if lease.ends_at is not None and lease.ends_at > now]
        return replace(over, frees_at=min(times, default=None))
    if limit.void or limit.span is None or limit.span.end is not None:
        # an allocation that is over does not come back by itself
        return replace(over, frees_at=None if limit.per != "user" and limit.window == "allocation" else over.frees_at)
    missing, length = over.used + over.needed - limit.limit, now - limit.span.start
    entries = await usage_store.entries_since(connection, limit.subject, limit.span.start, ENTRIES_LOOKED_THROUGH)
    for begins, ends, per_hour in entries:
        rate, begun = per_hour.of(limit.resource), max(begins, limit.span.start)
        leaving = rate * (ends - begun).total_seconds() / 3600
        if rate > 0 and leaving >= missing:
            return replace(over, frees_at=begun + length + timedelta(hours=missing / rate))
        missing -= leaving
    return replace(over, frees_at=None)


def who_pays(platform: Platform, wished: str | None, groups: frozenset[str]) -> str | None:
    """The group that a lease is charged to; None where nothing is counted per group and the user is in several.

    Raises:
        Refused: the user is not in the group, nothing is granted to it although other groups of the user's have
            something, or several have and none was picked.
    """
    chargeable = chargeable_groups(platform, groups)
    if wished is not None:
        if wished not in groups:
            raise refuse(403, "Not your group", f"You are not in group {wished!r}; {_choose(chargeable or groups)}.")
        if chargeable and wished not in chargeable:
            raise refuse(403, "Nothing to charge", f"Group {wished!r} has no allocation; {_choose(chargeable)}.")
        return wished
    if len(chargeable) > 1:
        raise refuse(422, "Choose who pays", f"charge_to: several of your groups could pay; {_choose(chargeable)}.")
    if chargeable:
        return chargeable[0]
    return next(iter(groups)) if len(groups) == 1 else None


def _choose(groups: Iterable[str]) -> str:
    return f"choose from {', '.join(sorted(groups))}" if groups else "leave charge_to out"


async def views_for(
    connection: AsyncConnection, platform: Platform, owner: str, groups: frozenset[str], now: datetime
) -> list[QuotaView]:
    """Every limit that binds a user, with what is used of it and a forecast."""
    overrides = await said_store.active_overrides(connection, now)
    pools = chargeable_groups(platform, groups)
    limits = limits_of_user(platform, owner, groups, now, overrides)
    for pool in pools:
        limits += limits_of_pool(platform, pool, now, overrides)
    limits += limits_of_platform(platform, now, overrides)
    held = await open_use.holdings(connection, now, owner, pools)
    uses = await uses_of(connection, platform, limits, held, now)
    home = await usage_store.home_gib(connection, owner)
    return [
        view_limit(limit, Use(home)) if limit.resource == "home_gib" else view_limit(limit, uses[limit], now)
        for limit in limits
    ]


def home_limit(
    platform: Platform, owner: str, groups: frozenset[str], now: datetime, overrides: Iterable[Override]
) -> Limit | None:
    """The limit on what a user's home may hold, if there is one."""
    limits = limits_of_user(platform, owner, groups, now, overrides)
    return next((limit for limit in limits if limit.resource == "home_gib"), None)


def lock_keys(platform: Platform, who: Who) -> list[str]:
    """What a decision for somebody locks: every subject whose limits or capacity it counts."""
    keys = [f"user:{who.owner}", *(f"site:{site}" for site in platform.sites)]
    if who.charge_to:
        keys.append(f"group:{who.charge_to}")
    if any(quota.per == "platform" for quota in platform.quotas):
        keys.append("platform")
    return keys
