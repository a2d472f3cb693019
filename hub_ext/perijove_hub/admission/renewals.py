"""The renewal of what runs: what was used becomes an entry, and the next slice of the limits over time is reserved.

Where the next slice does not fit, the limit says what follows: ``deny`` lets the session go on and refuses new ones;
``stop`` warns, waits for the grace, and has the controller stop it. One lease is one transaction: a controller that
dies in between has renewed some and not others, and nothing twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import LeaseState, Topic
from perijove_hub.admission.base import AdmissionBase, log
from perijove_hub.admission.limits import Standing, Who, lock_keys, stand
from perijove_hub.ledger import store
from perijove_hub.ledger.locks import lock_subjects
from perijove_hub.ledger.metering import amounts
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.notices import NewNotice, add_notice
from perijove_hub.ledger.quota import Limit, Need, first_over, passed_thresholds
from perijove_hub.ledger.usage import meter
from perijove_hub.ledger.words import spoken_amount, spoken_subject, spoken_time, spoken_window

#: A slice is renewed when this share of it is left, so that a controller may be away for that long.
RENEWED_AT = 0.5

#: How long one round of renewals may take; what is left over comes first in the next.
ROUND_SECONDS = 10.0


class Renewals(AdmissionBase):
    """Renews the slices of active leases."""

    async def renew(self) -> int:
        """Renew every active lease whose slice runs out, those that ran out first; how many were renewed."""
        deadline, renewed = time.monotonic() + ROUND_SECONDS, 0
        for lease in await self._due():
            if time.monotonic() > deadline:
                log.warning("renewals take long; the rest follows in the next round", extra={"renewed": renewed})
                break
            renewed += await self._database.transact(partial(self._renewed, lease))
        return renewed

    async def _due(self) -> list[LeaseRow]:
        now, length = self._clock(), self._platform().admission.slice
        async with self._database.read() as connection:
            leases = await store.open_leases(connection)
        due = [lease for lease in leases if lease.state is LeaseState.ACTIVE and _is_due(lease, now, length)]
        return sorted(due, key=lambda lease: (lease.reserved_until or lease.created, lease.id))

    async def _renewed(self, found: LeaseRow, connection: AsyncConnection) -> bool:
        platform = self._platform()
        who = Who(found.owner, frozenset(found.groups), found.charge_to)
        await lock_subjects(connection, lock_keys(platform, who))
        lease, now = await store.find_lease(connection, found.id, for_update=True), self._clock()
        if lease is None or lease.state is not LeaseState.ACTIVE or lease.site is None:
            return False
        lease = await meter(connection, lease, max(now, lease.metered_until or now), platform, now)
        sites = [lease.site] if lease.site else []
        standing = await stand(connection, platform, who, now, sites=sites, excluding=lease.id)
        renewed = self._next_slice(standing, lease, now)
        await store.update_lease(connection, renewed)
        await self._tell(connection, standing, renewed, now)
        return True

    def _next_slice(self, standing: Standing, lease: LeaseRow, now: datetime) -> LeaseRow:
        platform = standing.platform
        stopping = [limit for limit in _windowed(standing, lease) if limit.on_exhaustion == "stop"]
        need = Need.session(lease.resources, amounts(lease.resources, lease.price, 1.0))
        over = first_over(stopping, standing.uses, need, standing.least_hours, platform.zone)
        length = max(platform.admission.least_slice, standing.slice_at(lease.site or "", lease.resources))
        renewed = replace(lease, reserved_until=now + min(length, platform.admission.slice))
        if over is None:
            return replace(renewed, quota_stop_at=None, quota_stop_name=None)
        if lease.quota_stop_at is not None:
            return renewed
        return replace(renewed, quota_stop_at=now + over.limit.grace, quota_stop_name=over.limit.name)

    async def _tell(self, connection: AsyncConnection, standing: Standing, lease: LeaseRow, now: datetime) -> None:
        for notice in threshold_notices(standing, _windowed(standing, lease), lease):
            await add_notice(connection, notice, now)
        if lease.quota_stop_at is not None:
            when = spoken_time(lease.quota_stop_at, standing.platform.zone)
            stop = NewNotice(
                key=f"quota-stop:{lease.id}:{lease.quota_stop_at.isoformat()}",
                topic=Topic.QUOTA,
                severity="error",
                message=f"Limit {lease.quota_stop_name} is used up. {_named(lease)} is stopped at {when}: save your "
                "work. An admin can grant an extension until then.",
                owner=lease.owner,
                lease_id=lease.id,
                expires=lease.quota_stop_at,
            )
            await add_notice(connection, stop, now)


def threshold_notices(standing: Standing, limits: Iterable[Limit], lease: LeaseRow) -> Iterable[NewNotice]:
    """One notice for the highest threshold that is reached of each limit: to the owner, or to the members of a pool."""
    for limit in limits:
        own = lease_use(lease, limit, standing.now)
        use = replace(standing.uses[limit], reserved=standing.uses[limit].reserved + own)
        reached = passed_thresholds(limit, use)
        if not reached or limit.span is None or limit.void:
            continue
        kind, _, name = limit.subject.partition(":")
        of = "your" if kind == "user" else f"the {spoken_subject(limit.subject)}'s" if name else "the platform's"
        amount = f"{spoken_amount(use.used)} of {spoken_amount(limit.limit)} {limit.unit}"
        yield NewNotice(
            # a rolling window has no period of its own to begin anew with: it warns once a day
            key=f"quota:{limit.name}:{limit.subject}:{(limit.span.start):%Y-%m-%d}:{limit.limit}:{reached[-1]}",
            topic=Topic.QUOTA,
            severity="warning",
            message=f"{amount} of {of} limit {limit.name} are used or reserved{spoken_window(limit.window)}.",
            owner=lease.owner if kind in ("user", "site") or not name else None,
            groups=() if kind in ("user", "site") or not name else (limit.subject if kind == "class" else name,),
            expires=limit.span.end,
        )


def lease_use(lease: LeaseRow, limit: Limit, now: datetime) -> float:
    """What is reserved for a lease beyond now, of a limit over time."""
    reserved = max(timedelta(0), (lease.reserved_until or now) - now)
    return amounts(lease.resources, lease.price, reserved.total_seconds() / 3600).of(limit.resource)


def _windowed(standing: Standing, lease: LeaseRow) -> list[Limit]:
    limits = (*standing.general, *standing.by_site.get(lease.site or "", ()))
    return [limit for limit in limits if limit.is_windowed]


def _is_due(lease: LeaseRow, now: datetime, length: timedelta) -> bool:
    # one that waits to be stopped is looked at each time: an extension may have come
    return lease.quota_stop_at is not None or (lease.reserved_until or now) - now <= RENEWED_AT * length


def _named(lease: LeaseRow) -> str:
    return f"Your server {lease.name}" if lease.name else "Your server"
