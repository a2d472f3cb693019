"""The renewal of what runs: what was used becomes an entry, and the next slice of the limits over time is reserved.

Where the next slice does not fit, the limit says what follows: ``deny`` lets the session go on and refuses new ones;
``stop`` warns, waits for the grace, and has the controller stop it. One lease is one transaction: a controller that
dies in between has renewed some and not others, and nothing twice.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import LeaseState, Topic
from perijove_hub.admission.base import AdmissionBase, log
from perijove_hub.admission.life import spoken_session
from perijove_hub.admission.limits import Standing, Who, lock_keys, stand
from perijove_hub.admission.thresholds import threshold_notices, windowed_limits
from perijove_hub.ledger import store
from perijove_hub.ledger.engines import is_unavailable
from perijove_hub.ledger.life_store import withdraw_announcements
from perijove_hub.ledger.locks import lock_subjects
from perijove_hub.ledger.metering import amounts
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.notices import NewNotice, add_notice
from perijove_hub.ledger.quota import Need, first_over
from perijove_hub.ledger.usage import meter
from perijove_hub.ledger.words import spoken_time

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
            try:
                renewed += await self._database.transact(partial(self._renewed, lease))
            except Exception as error:
                if isinstance(error, SQLAlchemyError) and is_unavailable(error):
                    raise
                # one lease that cannot be renewed keeps none of those behind it waiting
                log.exception("a lease could not be renewed", extra={"lease": lease.id})
        return renewed

    async def _due(self) -> list[LeaseRow]:
        now = self._clock()
        async with self._database.read() as connection:
            leases = await store.open_leases(connection, with_offers=False)
        due = [lease for lease in leases if lease.state is LeaseState.ACTIVE and _is_due(lease, now)]
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
        await self._tell(connection, standing, lease, renewed)
        return True

    def _next_slice(self, standing: Standing, lease: LeaseRow, now: datetime) -> LeaseRow:
        admission = standing.platform.admission
        stopping = [limit for limit in windowed_limits(standing, lease) if limit.on_exhaustion == "stop"]
        need = Need.of(lease.kind, lease.resources, amounts(lease.resources, lease.price, 1.0))
        zone, least = standing.platform.zone, standing.least_hours
        over = [limit for limit in stopping if first_over([limit], standing.uses, need, least, zone)]
        length = standing.slice_at(lease.site or "", lease.resources, lease.price)
        if length < admission.least_slice:
            # beyond a limit that stops, no more than it takes to stop; beyond one that only denies, it goes on
            length = admission.least_slice if over else admission.slice
        renewed = replace(lease, reserved_until=now + length)
        if not over:
            return replace(renewed, quota_stop_at=None, quota_stop_name=None)
        if lease.quota_stop_name in [limit.name for limit in over]:
            return renewed
        return replace(renewed, quota_stop_at=now + over[0].grace, quota_stop_name=over[0].name)

    async def _tell(self, connection: AsyncConnection, standing: Standing, before: LeaseRow, lease: LeaseRow) -> None:
        now = standing.now
        for notice in threshold_notices(standing, lease):
            await add_notice(connection, notice, now)
        if before.quota_stop_at is not None and before.quota_stop_at != lease.quota_stop_at:
            await withdraw_announcements(connection, lease.id, lease.owner, [Topic.QUOTA], now)
        if lease.quota_stop_at is not None:
            when = spoken_time(lease.quota_stop_at, standing.platform.zone)
            session = spoken_session(lease, capital=True)
            stop = NewNotice(
                key=f"quota-stop:{lease.id}:{lease.quota_stop_name}:{lease.quota_stop_at.isoformat()}",
                topic=Topic.QUOTA,
                severity="error",
                message=f"Limit {lease.quota_stop_name} is used up. {session} is stopped at {when}: save your work. "
                "An admin can grant an extension until then.",
                owner=lease.owner,
                lease_id=lease.id,
                expires=lease.quota_stop_at,
            )
            await add_notice(connection, stop, now)


def _is_due(lease: LeaseRow, now: datetime) -> bool:
    # one that waits to be stopped is looked at each time: an extension may have come
    if lease.quota_stop_at is not None or lease.reserved_until is None or lease.metered_until is None:
        return True
    return lease.reserved_until - now <= RENEWED_AT * (lease.reserved_until - lease.metered_until)
