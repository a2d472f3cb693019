"""What inventories prove: they are kept, leases of what is gone are closed, and what nobody knew of is taken up."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import (
    AttemptFacts,
    Explanation,
    Inventory,
    InventoryAnswer,
    LeaseOffer,
    LeaseState,
    SeenAttempt,
    SpawnSpec,
    Topic,
)
from perijove_hub.admission.base import AdmissionBase, log
from perijove_hub.admission.limits import who_pays
from perijove_hub.admission.models import Refused, refuse
from perijove_hub.admission.reconcile import DeadLease, attempts_to_remove, dead_leases
from perijove_hub.ledger import gateway_store, life_store, store
from perijove_hub.ledger.locks import lock_subjects
from perijove_hub.ledger.models import TAKEN_UP, LeaseRow, SiteRow
from perijove_hub.ledger.subjects import subjects_of
from perijove_hub.ledger.usage import meter
from perijove_hub.policy.models import Platform

#: A ready server proves that a lease in these states became active, whatever the ledger has missed.
BEFORE_ACTIVE = frozenset({LeaseState.OFFERED, LeaseState.STARTING, LeaseState.EXPIRED})


class Settling(AdmissionBase):
    """Brings the ledger and reality together."""

    async def report(self, site: str, inventory: Inventory) -> InventoryAnswer:
        """Keep what a site showed, and answer which attempts the hub must remove there.

        A ready server that no lease knows is taken up: after a ledger was restored from a backup, and after a start
        while control was down.

        Raises:
            Refused: the platform has no such site and nothing is on record there, or the inventory was taken in the
                future.
        """
        now, platform = self._clock(), self._platform()
        if inventory.observed_at > now + self._margin:
            # it would be taken as proof about leases that moved after it was really taken
            raise refuse(422, "From the future", "observed_at lies in the future: set the clocks of hub and control.")

        async def keep(connection: AsyncConnection) -> InventoryAnswer:
            await lock_subjects(connection, [f"site:{site}"])
            if site not in platform.sites and not await store.has_open_leases(connection, site):
                raise refuse(404, "No such site", f"There is no site {site!r} in the platform file.")
            return await self._kept(connection, platform, site, inventory, now)

        answer = await self._database.transact(keep)
        for attempt, lease in answer.adopted.items():
            log.warning("lease taken up", extra={"lease": lease, "attempt": attempt, "site": site})
        return answer

    async def _kept(
        self, connection: AsyncConnection, platform: Platform, site: str, inventory: Inventory, now: datetime
    ) -> InventoryAnswer:
        row = (await store.find_sites(connection, site)).get(site, SiteRow(site))
        if row.observed_at is not None and inventory.observed_at < row.observed_at:
            if inventory.observed_at > row.observed_at - self._late:
                return InventoryAnswer(remove=[])  # came late; a newer one has spoken
            log.warning("the hub's clock went back", extra={"site": site, "observed_at": inventory.observed_at})
        # what was told of an attempt is of use once and not kept
        seen = tuple(SeenAttempt(attempt_id=each.attempt_id, owned=each.owned) for each in inventory.attempts)
        await store.save_site(
            connection,
            replace(
                row,
                observed_at=inventory.observed_at,
                received_at=now,
                reachable=inventory.reachable,
                attempts=seen if inventory.reachable else row.attempts,
            ),
        )
        for size in inventory.homes:
            await store.save_home_size(connection, size, site)
        if not inventory.reachable:
            return InventoryAnswer(remove=[])
        ids = [each.attempt_id for each in inventory.attempts]
        await store.mark_seen(connection, ids, inventory.observed_at)
        known = await store.states_of_attempts(connection, ids)
        adopted = await self._take_up(connection, platform, site, inventory.attempts, known, now)
        removed = attempts_to_remove(inventory, known, self._margin)
        return InventoryAnswer(remove=[attempt for attempt in removed if attempt not in adopted], adopted=adopted)

    async def _take_up(
        self,
        connection: AsyncConnection,
        platform: Platform,
        site: str,
        attempts: Iterable[SeenAttempt],
        known: Mapping[str, tuple[LeaseState, datetime]],
        now: datetime,
    ) -> dict[str, str]:
        adopted: dict[str, str] = {}
        for seen in attempts:
            if seen.facts is None or not seen.owned or site not in platform.sites or seen.attempt_id in adopted:
                continue
            lease = taken_up(platform, site, seen.attempt_id, seen.facts, now)
            if seen.attempt_id not in known:
                await store.insert_lease(connection, lease)
            elif known[seen.attempt_id][0] in BEFORE_ACTIVE:
                # it came as far as an offer: its answer was lost, or the ledger is a copy from that moment
                found = await store.find_attempt(connection, seen.attempt_id)
                if found is None or found.owner != lease.owner:
                    continue
                lease = replace(lease, id=found.id, created=found.created, offer=found.offer)
                await store.update_lease(connection, lease)
            else:
                continue
            if not lease.without_home and await store.find_home(connection, lease.owner) is None:
                await store.save_home(connection, lease.owner, site, now)
            adopted[seen.attempt_id] = lease.id
        return adopted

    async def sweep(self) -> list[DeadLease]:
        """Close every lease that is provably over; the controller's step. Returns what was closed."""
        async with self._database.read() as connection:
            now = self._clock()
            leases = await store.open_leases(connection, with_offers=False)
            sites = await store.find_sites(connection)
            gateways = await gateway_store.find_gateways(connection)
        dead = []
        for item in dead_leases(leases, sites, gateways, now, self._margin):
            if await self._database.transact(partial(self._closed, item)):
                log.info("lease closed", extra={"lease": item.lease.id, "state": item.state, "reason": item.reason})
                dead.append(item)
        return dead

    async def _closed(self, item: DeadLease, connection: AsyncConnection) -> bool:
        # under the locks of all whom it counts for: who decides meanwhile must find its use in the lease or in the
        # entries, and neither in both nor in none
        await lock_subjects(connection, subjects_of(item.lease.owner, item.lease.charge_to, item.lease.site))
        lease = await store.find_lease(connection, item.lease.id, for_update=True)
        if lease is None or lease.changed != item.lease.changed or not lease.state.is_open:
            return False  # it moved meanwhile; the next sweep looks again
        now = self._clock()
        lease = await meter(connection, lease, item.ended, self._platform(), now, item.reason)
        reason = lease.reason or item.reason
        closed = replace(lease, state=item.state, ended=item.ended, changed=now, reserved_until=None, reason=reason)
        await store.update_lease(connection, closed)
        await life_store.withdraw_announcements(connection, lease.id, lease.owner, [Topic.SILENCE], now)
        return True


def taken_up(platform: Platform, site: str, attempt_id: str, facts: AttemptFacts, now: datetime) -> LeaseRow:
    """The lease of a server that runs and that no lease knows, from what the hub knows of it.

    It is metered from when the hub says it started. A profile that is no longer in the platform file is taken for the
    first one, and a group that may not pay for none: the session runs, whatever the policy says by now.
    """
    name = facts.profile if facts.profile in platform.profiles else next(iter(platform.profiles))
    profile, started = platform.profiles[name or ""], min(facts.started, now)
    lease_id, groups = secrets.token_hex(16), frozenset(facts.groups)
    try:
        charge_to = who_pays(platform, facts.charge_to, groups)
    except Refused:
        charge_to = None
    offer = LeaseOffer(
        id=lease_id,
        attempt_id=attempt_id,
        candidates=[],
        spawn=SpawnSpec(
            resources=profile.resources,
            image=facts.image or profile.image,
            without_home=facts.without_home,
            max_hours=profile.max_hours,
            idle_minutes=profile.idle_minutes,
            policy_version=platform.version,
        ),
        explanation=Explanation(summary=f"{platform.sites[site].title}: {TAKEN_UP}"),
    )
    return LeaseRow(
        id=lease_id,
        attempt_id=attempt_id,
        owner=facts.owner,
        kind=facts.kind,
        name=facts.name,
        profile=str(name),
        state=LeaseState.ACTIVE,
        site=site,
        resources=profile.resources,
        without_home=facts.without_home,
        offer=offer,
        price=platform.sites[site].price,
        created=now,
        expires=now,
        changed=now,
        started=started,
        last_seen=now,
        ended=None,
        reason=None,
        charge_to=charge_to,
        groups=tuple(sorted(groups)),
        metered_until=started,
        reserved_until=now,
        ends_at=started + timedelta(hours=profile.max_hours) if profile.max_hours else None,
        idle_minutes=profile.idle_minutes,
        keeps_left=profile.keeps,
    )
