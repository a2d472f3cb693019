"""The rules of admission: asking for leases, moving them, and closing what is over; each in one transaction."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import (
    Inventory,
    InventoryAnswer,
    LeaseOffer,
    LeasePatch,
    LeaseRequest,
    LeaseState,
    Placement,
    Problem,
    QuotaView,
    SessionWish,
    SpawnSpec,
)
from perijove_hub.admission import breaker
from perijove_hub.admission.facts import MISSED_INVENTORIES, gather_sites, resolve_profile, resolve_wish
from perijove_hub.admission.models import Refused, refuse
from perijove_hub.admission.reconcile import DeadLease, attempts_to_remove, dead_leases
from perijove_hub.ledger import store
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.models import LeaseRow, SiteRow
from perijove_hub.ledger.quota import UNITS, OverLimit, applicable_quotas, first_over_limit, view_quota
from perijove_hub.placement import Ranking, SiteFacts, Wish, rank_sites
from perijove_hub.policy.models import Platform

log = logging.getLogger(__name__)


class AdmissionService:
    """Asks, moves and closes leases.

    Args:
        database: the ledger's.
        platform: gives the platform file in force; asked anew for each call, so that a reload is seen.
        clock: gives the time, aware.
    """

    def __init__(self, database: Database, platform: Callable[[], Platform], clock: Callable[[], datetime]) -> None:
        self._database = database
        self._platform = platform
        self._clock = clock

    @property
    def _margin(self) -> timedelta:
        return timedelta(seconds=self._platform().admission.clock_margin_seconds)

    @property
    def _late(self) -> timedelta:
        """How old an inventory may be that was overtaken; an older one tells that the hub's clock was set back."""
        return MISSED_INVENTORIES * timedelta(seconds=self._platform().admission.inventory_seconds)

    async def ask(self, request: LeaseRequest) -> LeaseOffer:
        """Admit one workload, or refuse. Asking again with the same attempt id gives the same answer.

        Raises:
            Refused: by a limit, because no site can run it, or because the wish names what is not there.
        """
        platform = self._platform()
        groups = frozenset(request.groups)
        profile_name, profile = resolve_profile(platform, request, groups)
        async with self._database.write() as connection:
            now = self._clock()
            if earlier := await store.find_attempt(connection, request.attempt_id):
                return _same_offer(earlier, request, now)
            held = await store.held_by(connection, request.owner, now)
            over = first_over_limit(applicable_quotas(platform.quotas, groups), held, profile.resources)
            if over:
                raise _refused_by(over)
            ranking = await self._rank(connection, platform, request, request.owner, groups, now)
            if not ranking.candidates:
                raise refuse(403, "No site can run this now", ranking.summary)
            offer = self._offer(
                platform, request, profile_name, ranking, await store.find_home(connection, request.owner)
            )
            await store.insert_lease(connection, self._lease(platform, request, profile_name, offer, now))
        log.info("lease offered", extra={"lease": offer.id, "attempt": offer.attempt_id, "owner": request.owner})
        return offer

    async def place(self, owner: str, groups: frozenset[str], wish: SessionWish) -> Placement:
        """A dry run: where a session would start now, and whether it would be admitted. Changes nothing.

        Raises:
            Refused: the wish names what is not there.
        """
        platform, now = self._platform(), self._clock()
        _, profile = resolve_profile(platform, wish, groups)
        async with self._database.read() as connection:
            held = await store.held_by(connection, owner, now)
            ranking = await self._rank(connection, platform, wish, owner, groups, now)
        over = first_over_limit(applicable_quotas(platform.quotas, groups), held, profile.resources)
        reason = over.detail if over else None if ranking.candidates else ranking.summary
        return Placement(
            allowed=reason is None,
            reason=reason,
            candidates=list(ranking.candidates),
            rejected=list(ranking.rejected),
            summary=ranking.summary,
        )

    async def move(self, lease_id: str, patch: LeasePatch) -> LeaseRow:
        """Move a lease to its next state. Moving it to where it is already changes nothing.

        Raises:
            Refused: there is no such lease, or it cannot make this move.
        """
        async with self._database.write() as connection:
            # once it is our turn: an offer that ran out while we waited may have been given to others
            now = self._clock()
            lease = await store.find_lease(connection, lease_id)
            if lease is None:
                raise refuse(404, "No such lease", f"There is no lease {lease_id}.")
            moved = await self._moved(connection, lease, patch, now)
            if moved != lease:
                await store.update_lease(connection, moved)
        if moved.state != lease.state or moved.site != lease.site:
            log.info("lease moved", extra={"lease": lease.id, "state": moved.state, "site": moved.site})
        return moved

    async def _moved(self, connection: AsyncConnection, lease: LeaseRow, patch: LeasePatch, now: datetime) -> LeaseRow:
        if patch.site_failed and lease.state is LeaseState.STARTING and patch.site != lease.site:
            await self._record(connection, lease, now, works=False)
        if patch.state == "ended":
            if not lease.state.is_open:
                return lease
            return replace(lease, state=LeaseState.ENDED, ended=now, changed=now, reason=patch.reason)
        if not lease.is_open(now):
            state = LeaseState.EXPIRED if lease.state is LeaseState.OFFERED else lease.state
            raise refuse(409, "The lease is over", f"Lease {lease.id} is {state}; ask for a new one.")
        if patch.state == "active":
            if lease.state is LeaseState.OFFERED:
                raise refuse(409, "Not started", f"Lease {lease.id} is offered; it must be starting on a site first.")
            if lease.state is LeaseState.ACTIVE:
                return lease
            await self._record(connection, lease, now, works=True)
            return replace(lease, state=LeaseState.ACTIVE, started=now, changed=now)
        return await self._started_on(connection, lease, patch.site, now)

    async def _started_on(
        self, connection: AsyncConnection, lease: LeaseRow, site: str | None, now: datetime
    ) -> LeaseRow:
        if lease.state is LeaseState.ACTIVE:
            raise refuse(409, "Already active", f"Lease {lease.id} is active at {lease.site}.")
        if site not in [candidate.site for candidate in lease.offer.candidates]:
            raise refuse(409, "Not a candidate", f"Lease {lease.id} was not offered site {site!r}.")
        if lease.state is LeaseState.STARTING and lease.site == site:
            return lease
        platform = self._platform()
        facts = (await gather_sites(connection, platform, now, excluding=lease.id)).get(site)
        if facts is None:
            raise refuse(409, "No such site", f"Site {site!r} is no longer in the platform file.")
        home = await self._home_for(connection, lease, site)
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
        # the home is claimed before anything is created, so that two first sessions at once cannot make two homes
        if home is None and facts.policy.homes and not lease.without_home:
            await store.save_home(connection, lease.owner, site, now)
        row = (await store.find_sites(connection)).get(site, SiteRow(site))
        await store.save_site(connection, breaker.on_probe(row, now))
        return replace(lease, state=LeaseState.STARTING, site=site, changed=now, price=facts.policy.price)

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

    async def _record(self, connection: AsyncConnection, lease: LeaseRow, now: datetime, *, works: bool) -> None:
        if lease.site is None:
            return
        row = (await store.find_sites(connection)).get(lease.site, SiteRow(lease.site))
        after = breaker.after_success(row) if works else breaker.after_failure(row, lease.owner, now)
        await store.save_site(connection, after)

    async def report(self, site: str, inventory: Inventory) -> InventoryAnswer:
        """Keep what a site showed, and answer which attempts the hub must remove there.

        Raises:
            Refused: the platform has no such site, or the inventory was taken in the future.
        """
        now = self._clock()
        if site not in self._platform().sites:
            raise refuse(404, "No such site", f"There is no site {site!r} in the platform file.")
        if inventory.observed_at > now + self._margin:
            # it would be taken as proof about leases that moved after it was really taken
            raise refuse(422, "From the future", "observed_at lies in the future: set the clocks of hub and control.")
        async with self._database.write() as connection:
            row = (await store.find_sites(connection)).get(site, SiteRow(site))
            if row.observed_at is not None and inventory.observed_at < row.observed_at:
                if inventory.observed_at > row.observed_at - self._late:
                    return InventoryAnswer(remove=[])  # came late; a newer one has spoken
                log.warning("the hub's clock went back", extra={"site": site, "observed_at": inventory.observed_at})
            attempts = tuple(inventory.attempts) if inventory.reachable else row.attempts
            await store.save_site(
                connection,
                replace(
                    row,
                    observed_at=inventory.observed_at,
                    received_at=now,
                    reachable=inventory.reachable,
                    attempts=attempts,
                ),
            )
            if not inventory.reachable:
                return InventoryAnswer(remove=[])
            ids = [seen.attempt_id for seen in inventory.attempts]
            await store.mark_seen(connection, ids, inventory.observed_at)
            known = await store.states_of_attempts(connection, ids)
        return InventoryAnswer(remove=attempts_to_remove(inventory, known, self._margin))

    async def sweep(self) -> list[DeadLease]:
        """Close every lease that is provably over; the controller's step. Returns what was closed."""
        async with self._database.write() as connection:
            now = self._clock()
            dead = dead_leases(
                await store.open_leases(connection), await store.find_sites(connection), now, self._margin
            )
            for item in dead:
                closed = replace(item.lease, state=item.state, ended=item.ended, changed=now, reason=item.reason)
                await store.update_lease(connection, closed)
        for item in dead:
            log.info("lease closed", extra={"lease": item.lease.id, "state": item.state, "reason": item.reason})
        return dead

    async def quotas(self, owner: str, groups: frozenset[str]) -> list[QuotaView]:
        """Each limit of a user with what is used of it."""
        async with self._database.read() as connection:
            held = await store.held_by(connection, owner, self._clock())
        return [view_quota(quota, held) for quota in applicable_quotas(self._platform().quotas, groups)]

    async def sites(self) -> Mapping[str, SiteFacts]:
        """Every site with its health and load."""
        async with self._database.read() as connection:
            return await gather_sites(connection, self._platform(), self._clock())

    async def lease(self, lease_id: str) -> LeaseRow | None:
        """One lease, or None."""
        async with self._database.read() as connection:
            return await store.find_lease(connection, lease_id)

    async def leases(self, owner: str | None, before: tuple[datetime, str] | None, limit: int) -> list[LeaseRow]:
        """Leases from the newest on; see :func:`perijove_hub.ledger.store.list_leases`."""
        async with self._database.read() as connection:
            return await store.list_leases(connection, owner, before, limit)

    async def _rank(
        self,
        connection: AsyncConnection,
        platform: Platform,
        wish: SessionWish,
        owner: str,
        groups: frozenset[str],
        now: datetime,
    ) -> Ranking:
        facts = await gather_sites(connection, platform, now)
        home = await store.find_home(connection, owner)
        return rank_sites(resolve_wish(platform, wish, owner, groups, home), list(facts.values()))

    def _offer(
        self, platform: Platform, request: LeaseRequest, profile_name: str, ranking: Ranking, home: str | None
    ) -> LeaseOffer:
        profile = platform.profiles[profile_name]
        lease_id = secrets.token_hex(16)
        env = {**profile.env, "PERIJOVE_LEASE_ID": lease_id, "PERIJOVE_DATASETS": ",".join(request.datasets)}
        return LeaseOffer(
            id=lease_id,
            attempt_id=request.attempt_id,
            candidates=list(ranking.candidates[: 1 + platform.placement.retries]),
            spawn=SpawnSpec(
                resources=profile.resources,
                env=env | {"PERIJOVE_CURRENCY": platform.currency},
                home_site=home,
                without_home=request.without_home,
                policy_version=platform.version,
            ),
            explanation=ranking.explanation(),
        )

    def _lease(
        self, platform: Platform, request: LeaseRequest, profile_name: str, offer: LeaseOffer, now: datetime
    ) -> LeaseRow:
        return LeaseRow(
            id=offer.id,
            attempt_id=offer.attempt_id,
            owner=request.owner,
            kind=request.kind,
            name=request.name,
            profile=profile_name,
            state=LeaseState.OFFERED,
            site=offer.candidates[0].site,
            resources=offer.spawn.resources,
            without_home=request.without_home,
            offer=offer,
            price=None,
            created=now,
            expires=now + timedelta(seconds=platform.admission.offer_seconds),
            changed=now,
            started=None,
            last_seen=None,
            ended=None,
            reason=None,
        )


def _same_offer(earlier: LeaseRow, request: LeaseRequest, now: datetime) -> LeaseOffer:
    if earlier.owner != request.owner or earlier.kind != request.kind or earlier.name != request.name:
        raise refuse(409, "Attempt id in use", f"Attempt {request.attempt_id} asked for another workload.")
    if not earlier.is_open(now):
        raise refuse(409, "The lease is over", f"Attempt {request.attempt_id} is over; ask with a new attempt id.")
    return earlier.offer


def _refused_by(over: OverLimit) -> Refused:
    return Refused(
        Problem(
            type="urn:perijove:over-limit",
            title="Limit reached",
            status=403,
            detail=over.detail,
            limit=over.quota.limit,
            used=over.used,
            unit=UNITS[over.quota.resource],
        )
    )


__all__ = ["AdmissionService", "Refused"]
