"""Moving a lease through its life.

Locks of subjects come first, then that of the lease's own row: always in this order, so that none waits crosswise.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Kind, LeasePatch, LeaseState, Topic
from perijove_hub.admission.base import AdmissionBase, closed_sites, log
from perijove_hub.admission.facts import gather_sites
from perijove_hub.admission.limits import Who, lock_keys, stand
from perijove_hub.admission.models import refuse
from perijove_hub.ledger import life_store, said_store, store
from perijove_hub.ledger.locks import lock_subjects
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.subjects import subjects_of
from perijove_hub.ledger.usage import meter
from perijove_hub.placement import Wish, rank_sites


class Moving(AdmissionBase):
    """Moves leases."""

    async def move(self, lease_id: str, patch: LeasePatch, ended_at: datetime | None = None) -> LeaseRow:
        """Move a lease to its next state. Moving it to where it is already changes nothing.

        ``ended_at`` is when it has ended, where that is told late; what is metered already stays.

        Raises:
            Refused: there is no such lease, or it cannot make this move.
        """

        async def step(connection: AsyncConnection) -> tuple[LeaseRow, LeaseRow]:
            found = await store.find_lease(connection, lease_id)
            if found is None:
                raise refuse(404, "No such lease", f"There is no lease {lease_id}.")
            await self._lock_for(connection, found, patch)
            # once it is our turn: an offer that ran out while we waited may have been given to others
            lease, now = await store.find_lease(connection, lease_id, for_update=True) or found, self._clock()
            moved = await self._moved(connection, lease, patch, now, ended_at)
            if moved != lease:
                await store.update_lease(connection, moved)
            return lease, moved

        lease, moved = await self._database.transact(step)
        if moved.state != lease.state or moved.site != lease.site:
            log.info("lease moved", extra={"lease": lease.id, "state": moved.state, "site": moved.site})
        return moved

    async def _lock_for(self, connection: AsyncConnection, lease: LeaseRow, patch: LeasePatch) -> None:
        if patch.state == "starting":
            who = Who(lease.owner, frozenset(lease.groups), lease.charge_to)
            await lock_subjects(connection, lock_keys(self._platform(), who))
        else:
            await lock_subjects(connection, subjects_of(lease.owner, lease.charge_to, lease.site))

    async def _moved(
        self,
        connection: AsyncConnection,
        lease: LeaseRow,
        patch: LeasePatch,
        now: datetime,
        ended_at: datetime | None,
    ) -> LeaseRow:
        if patch.site_failed and lease.state is LeaseState.STARTING and patch.site != lease.site:
            await self._record(connection, lease, now, works=False)
        if patch.state == "ended":
            at = min(now, max(ended_at, lease.changed, lease.metered_until or lease.changed)) if ended_at else now
            return await self._ended(connection, lease, patch, at, now)
        if not lease.is_open(now):
            state = LeaseState.EXPIRED if lease.state is LeaseState.OFFERED else lease.state
            raise refuse(409, "The lease is over", f"Lease {lease.id} is {state}; ask for a new one.")
        if patch.state == "active":
            return await self._activated(connection, lease, now)
        return await self._started_on(connection, lease, patch.site, now)

    async def _ended(
        self, connection: AsyncConnection, lease: LeaseRow, patch: LeasePatch, at: datetime, now: datetime
    ) -> LeaseRow:
        if not lease.state.is_open:
            return lease
        lease = await meter(connection, lease, at, self._platform(), now)
        await life_store.withdraw_announcements(connection, lease.id, lease.owner, [Topic.SILENCE], now)
        return replace(
            lease,
            state=LeaseState.ENDED,
            ended=at,
            changed=now,
            reserved_until=None,
            # who had it stopped has said why before: the spawner knows only that it was stopped
            reason=lease.reason or patch.reason,
            log_tail=patch.log_tail,
        )

    async def _activated(self, connection: AsyncConnection, lease: LeaseRow, now: datetime) -> LeaseRow:
        if lease.state is LeaseState.OFFERED:
            raise refuse(409, "Not started", f"Lease {lease.id} is offered; it must be starting on a site first.")
        if lease.state is LeaseState.ACTIVE:
            return lease
        if lease.kind is Kind.SESSION:  # a gateway may work where nothing else does
            await self._record(connection, lease, now, works=True)
        reserved = (lease.reserved_until or now) - (lease.metered_until or now)
        hours = lease.offer.spawn.max_hours
        return replace(
            lease,
            state=LeaseState.ACTIVE,
            started=now,
            changed=now,
            metered_until=now,
            reserved_until=now + reserved,
            ends_at=now + timedelta(hours=hours) if hours else None,
        )

    async def _started_on(
        self, connection: AsyncConnection, lease: LeaseRow, site: str | None, now: datetime
    ) -> LeaseRow:
        if lease.state is LeaseState.ACTIVE:
            raise refuse(409, "Already active", f"Lease {lease.id} is active at {lease.site}.")
        if site is None or site not in [candidate.site for candidate in lease.offer.candidates]:
            raise refuse(409, "Not a candidate", f"Lease {lease.id} was not offered site {site!r}.")
        if lease.state is LeaseState.STARTING and lease.site == site:
            return lease
        platform = self._platform()
        if site not in platform.sites:
            raise refuse(409, "No such site", f"Site {site!r} is no longer in the platform file.")
        who = Who(lease.owner, frozenset(lease.groups), lease.charge_to)
        standing = await stand(connection, platform, who, now, sites=[site], excluding=lease.id)
        closed = closed_sites(await said_store.active_closures(connection, now), platform, now)
        over = standing.first_over_at(site, lease.resources)
        every = await gather_sites(
            connection,
            platform,
            now,
            closed=closed,
            over_limit={site: f"is beyond a limit: {over.detail}"} if over else {},
            held=standing.holdings.held_by_site(),
        )
        facts, home = every[site], await self._home_for(connection, lease, site)
        # membership and datasets were settled at the offer; what may have changed since is what is free, and the home
        wish = Wish(
            owner=lease.owner,
            groups=frozenset(facts.policy.groups),
            resources=lease.resources,
            home_site=home,
            without_home=lease.without_home,
        )
        ranking = rank_sites(wish, [facts])
        if not ranking.candidates:
            raise refuse(409, "The site cannot take it now", "; ".join(ranking.rejected[0].reasons))
        moved = replace(
            lease,
            state=LeaseState.STARTING,
            site=site,
            changed=now,
            price=facts.policy.price,
            metered_until=now,
            # the price is another one there, and so is how long the budget lasts
            reserved_until=now + standing.slice_at(site, lease.resources),
        )
        await self._take_site(connection, platform, moved, home, now)
        return moved

    async def _home_for(self, connection: AsyncConnection, lease: LeaseRow, site: str) -> str | None:
        """Where the owner's home is; None when this start makes it.

        A lease that was offered before there was a home makes one where it starts. So it may take back its own claim
        on a site that did not start it, and it may not start beside a home that another session made meanwhile.
        """
        home = await store.find_home(connection, lease.owner)
        if home in (None, site) or lease.without_home or lease.offer.spawn.home_site is not None:
            return home
        if await store.is_home_used(connection, lease.owner, excluding=lease.id):
            detail = f"Another session of yours has made your home at {home} meanwhile; start this one again."
            raise refuse(409, "Home elsewhere", detail)
        return None
