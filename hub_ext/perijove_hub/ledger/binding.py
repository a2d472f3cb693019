"""Which limits bind whom now: quotas, allocations, and what admins have put in their place. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from perijove.models import Override
from perijove_hub.ledger.quota import UNITS, Limit
from perijove_hub.ledger.windows import ALLOCATION, days_span, window_span
from perijove_hub.ledger.words import spoken_amount, spoken_time
from perijove_hub.policy.limits import CLASS_PREFIX, Allocation, Per, Quota
from perijove_hub.policy.models import EVERYBODY, Platform


def limits_of_user(
    platform: Platform, owner: str, groups: frozenset[str], now: datetime, overrides: Iterable[Override] = ()
) -> list[Limit]:
    """The limits of one member of these groups: of several for one resource and window, the most generous."""
    matching = _naming(platform, "user", groups)
    return _binding(platform, matching, f"user:{owner}", now, overrides)


def limits_of_pool(platform: Platform, group: str, now: datetime, overrides: Iterable[Override] = ()) -> list[Limit]:
    """The limits of all that is charged to one group or class: its quotas, and its allocations."""
    matching = _naming(platform, _per_of_pool(group), [group])
    subject = subject_of_pool(group)
    limits = _binding(platform, matching, subject, now, overrides)
    granted: dict[str, list[Allocation]] = {}
    for allocation in platform.allocations:
        if allocation.group == group:
            granted.setdefault(allocation.resource, []).append(allocation)
    return limits + [_allocation(platform, each, subject, now, overrides) for each in granted.values()]


def limits_of_site(platform: Platform, site: str, now: datetime, overrides: Iterable[Override] = ()) -> list[Limit]:
    """The limits of all that runs on one site, beside its capacity."""
    matching = _naming(platform, "site", [site])
    return _binding(platform, matching, f"site:{site}", now, overrides)


def limits_of_platform(platform: Platform, now: datetime, overrides: Iterable[Override] = ()) -> list[Limit]:
    """The limits of all that runs on the platform."""
    matching = platform.quotas_per["platform"]
    return _binding(platform, matching, "platform", now, overrides)


def subject_of_pool(group: str) -> str:
    """The subject of what is charged to a group; a class is a group whose name says so."""
    return group if group.startswith(CLASS_PREFIX) else f"group:{group}"


def chargeable_groups(platform: Platform, groups: Iterable[str]) -> list[str]:
    """The groups of a user on whose account something is counted, by name: with an allocation or a quota per group."""
    granted = {allocation.group for allocation in platform.allocations}
    return sorted(group for group in set(groups) if group in granted or _naming(platform, _per_of_pool(group), [group]))


def _per_of_pool(group: str) -> Per:
    return "class" if group.startswith(CLASS_PREFIX) else "group"


def _naming(platform: Platform, per: Per, names: Iterable[str]) -> list[Quota]:
    """The quotas of a kind that apply to one of these names or to everybody, in the order of the file."""
    by_name = platform.quotas_naming[per]
    found = {place: quota for name in (EVERYBODY, *names) for place, quota in by_name.get(name, ())}
    return [quota for _, quota in sorted(found.items())]


def _binding(
    platform: Platform, quotas: Iterable[Quota], subject: str, now: datetime, overrides: Iterable[Override]
) -> list[Limit]:
    """Of the quotas that match a subject, the one that binds for each resource and window.

    What an admin has put in the place of one of them binds, the newest first; else the most generous.
    """
    said = {override.quota: override for override in overrides if override.subject == subject}
    best: dict[tuple[str, str | None], tuple[bool, datetime | None, Limit]] = {}
    for quota in quotas:
        override = said.get(quota.name)
        limit = _limit(platform, quota, subject, now, override)
        key, found = (quota.resource, quota.window), best.get((quota.resource, quota.window))
        if found is None or _is_before(override, limit, found):
            best[key] = (override is not None, override.created if override else None, limit)
    return [limit for _, _, limit in best.values()]


def _is_before(override: Override | None, limit: Limit, found: tuple[bool, datetime | None, Limit]) -> bool:
    overridden, created, other = found
    if override is not None:
        return not overridden or created is None or override.created > created
    return not overridden and limit.limit > other.limit


def _limit(platform: Platform, quota: Quota, subject: str, now: datetime, override: Override | None) -> Limit:
    return Limit(
        name=quota.name,
        per=quota.per,
        subject=subject,
        resource=quota.resource,
        unit=UNITS.get(quota.resource, platform.currency),
        limit=override.limit if override else quota.limit,
        window=quota.window,
        span=window_span(quota.window, now, platform.zone) if quota.window else None,
        warn_at=tuple(sorted(quota.warn_at)),
        on_exhaustion=quota.on_exhaustion,
        grace=quota.grace,
        override=_spoken_override(override, platform.zone),
    )


def _allocation(
    platform: Platform, granted: Sequence[Allocation], subject: str, now: datetime, overrides: Iterable[Override]
) -> Limit:
    """The budget of one resource that is in force now; one that has ended or not begun grants nothing."""
    today = now.astimezone(platform.zone).date()
    ordered = sorted(granted, key=lambda allocation: allocation.start)
    current = next((each for each in ordered if each.start <= today <= each.end), None)
    coming = next((each for each in ordered if each.start > today), None)
    shown = current or coming or ordered[-1]
    void = None
    if current is None:
        when = f"begins on {shown.start:%-d %B %Y}" if coming else f"ended on {shown.end:%-d %B %Y}"
        void = f"The allocation {shown.key} of {shown.group} {when}."
    override = next((each for each in overrides if each.quota == shown.key and each.subject == subject), None)
    return Limit(
        name=shown.key,
        per="class" if shown.group.startswith(CLASS_PREFIX) else "group",
        subject=subject,
        resource=shown.resource,
        unit=UNITS.get(shown.resource, platform.currency),
        limit=0.0 if void else override.limit if override else shown.amount,
        window=ALLOCATION,
        span=days_span(shown.start, shown.end, platform.zone),
        warn_at=tuple(sorted(shown.warn_at)),
        on_exhaustion=shown.on_exhaustion,
        grace=shown.grace,
        override=None if void else _spoken_override(override, platform.zone),
        void=void,
    )


def _spoken_override(override: Override | None, zone: ZoneInfo) -> str | None:
    if override is None:
        return None
    return f"{override.author} set it to {spoken_amount(override.limit)} until {spoken_time(override.expires, zone)}"
