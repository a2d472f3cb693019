"""Clusters: a gateway asks for one lease each, and its workers come and go within it.

A lease of a cluster is for one site, the gateway's own, and begins with the ask. Its resources are what it was granted:
use is metered by them, and never by what a scheduler says of itself, which runs in its owner's hands.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import (
    ClusterRequest,
    Inventory,
    InventoryAnswer,
    Kind,
    LeaseOffer,
    LeaseState,
    Resources,
    SpawnSpec,
)
from perijove_hub.admission.base import AdmissionBase, closed_sites, log
from perijove_hub.admission.facts import gather_sites
from perijove_hub.admission.limits import Standing, Who, lock_keys, stand, when_it_frees, who_pays
from perijove_hub.admission.models import Refused, refuse, refused_by
from perijove_hub.admission.reconcile import attempts_to_remove
from perijove_hub.admission.thresholds import threshold_notices
from perijove_hub.ledger import gateway_store, store
from perijove_hub.ledger.beforehand import look_beforehand
from perijove_hub.ledger.binding import chargeable_groups
from perijove_hub.ledger.locks import lock_subjects
from perijove_hub.ledger.models import LeaseRow, SiteRow
from perijove_hub.ledger.notices import add_notice
from perijove_hub.ledger.quota import TOLERANCE, OverLimit
from perijove_hub.ledger.usage import meter
from perijove_hub.placement import Ranking, SiteFacts, Wish, rank_sites
from perijove_hub.policy.models import Platform

#: An inventory may be overtaken by the next one by so much; one that is older is of a clock that was set back.
OVERTAKEN = timedelta(minutes=1)
#: A gateway that has said nothing for so long is away; it tells what it runs every few seconds.
GATEWAY_SILENCE = timedelta(minutes=10)


@dataclass(frozen=True)
class _Room:
    """What there is for a cluster at its site: the limits that bind it, and the site without the cluster itself."""

    platform: Platform
    site: SiteFacts
    standing: Standing

    def rank(self, who: Who, resources: Resources) -> Ranking:
        """What the site says to these resources."""
        wish = Wish(
            owner=who.owner,
            groups=who.groups,
            resources=resources,
            without_home=True,
            weights=self.platform.placement.weights,
            currency=self.platform.currency,
        )
        return rank_sites(wish, [self.site])

    def over(self, resources: Resources) -> OverLimit | None:
        """The first limit that a cluster of these resources would pass."""
        standing, kind = self.standing, Kind.CLUSTER
        return standing.first_over(resources, kind) or standing.first_over_at(self.site.name, resources, kind)

    def why_not(self, who: Who, resources: Resources) -> str | None:
        """What keeps a cluster from holding these resources, in plain words; None: nothing."""
        over = self.over(resources)
        if over is not None:
            return over.detail
        ranking = self.rank(who, resources)
        return None if ranking.candidates else ranking.summary


class Clusters(AdmissionBase):
    """Admits clusters, lets them grow and shrink, and closes those that are gone."""

    async def ask_cluster(self, site: str, request: ClusterRequest) -> LeaseOffer:
        """Admit one cluster at the site of the gateway that asks, or refuse; the lease is ``starting`` there.

        Asking again with the same attempt id gives the same answer.

        Raises:
            Refused: by a limit, or because the site cannot take it.
        """
        platform, groups = self._platform(), frozenset(request.groups)
        who = Who(request.owner, groups, await self._payer(platform, request, groups))

        async def admit(connection: AsyncConnection) -> LeaseOffer:
            await lock_subjects(connection, lock_keys(platform, who))
            earlier, now = await store.find_attempt(connection, request.attempt_id), self._clock()
            if earlier is not None:
                return _same_lease(earlier, site, request, now)
            room = await self._room(connection, platform, who, site, now)
            if over := room.over(request.resources):
                raise refused_by(await when_it_frees(connection, over, now))
            ranking = room.rank(who, request.resources)
            if not ranking.candidates:
                raise refuse(403, "The site cannot take it now", ranking.summary)
            lease = _new_lease(platform, site, request, who, ranking, room.standing)
            await store.insert_lease(connection, lease)
            for notice in threshold_notices(room.standing, lease):
                await add_notice(connection, notice, now)
            return lease.offer

        try:
            offer = await self._database.transact(admit)
        except Refused as refused:
            said = {"attempt": request.attempt_id, "owner": request.owner, "site": site, "title": refused.problem.title}
            log.info("cluster refused", extra=said)
            raise
        log.info("cluster admitted", extra={"lease": offer.id, "owner": request.owner, "site": site})
        return offer

    async def _payer(self, platform: Platform, request: ClusterRequest, groups: frozenset[str]) -> str | None:
        """The group that is asked for; where several could pay and none is, the one that pays for the owner's sessions.

        A notebook that says nothing of money is not refused for it: somebody has chosen when its session began.

        Raises:
            Refused: none, or several, could be meant.
        """
        may_pay = set(chargeable_groups(platform, groups))
        if request.charge_to is None and len(may_pay) > 1:
            async with self._database.read() as connection:
                leases = await store.open_leases(connection, request.owner, with_offers=False)
            paying = may_pay & {lease.charge_to for lease in leases if lease.kind is Kind.SESSION}
            if len(paying) == 1:
                return paying.pop()
        return who_pays(platform, request.charge_to, groups)

    async def resize(
        self, site: str, lease_id: str, wanted: Resources, step: Resources | None
    ) -> tuple[LeaseRow, str | None]:
        """Let a cluster hold other resources: all that it wants, or as many steps less as it takes to fit.

        What it held until now is metered. It never gets less than it has, unless it wants less.

        Returns:
            The lease with what was granted, and what kept it from getting all, if anything did.

        Raises:
            Refused: 404 when the gateway of the site has no such lease, 409 when it is over.
        """
        platform = self._platform()

        async def change(connection: AsyncConnection) -> tuple[LeaseRow, LeaseRow, str | None]:
            found = _of_gateway(await store.find_lease(connection, lease_id), site, lease_id)
            who = Who(found.owner, frozenset(found.groups), found.charge_to)
            await lock_subjects(connection, lock_keys(platform, who))
            lease, now = await store.find_lease(connection, lease_id, for_update=True) or found, self._clock()
            if not lease.is_open(now):
                raise refuse(409, "The lease is over", f"Lease {lease_id} is {lease.state}; ask for a new one.")
            if wanted == lease.resources:
                return lease, lease, None
            room = await self._room(connection, platform, who, site, now, excluding=lease_id)
            granted, capped = most_that_fits(
                lease.resources, wanted, step, lambda resources: room.why_not(who, resources)
            )
            resized = await self._resized(connection, lease, granted, room.standing, now)
            return lease, resized, capped

        before, lease, capped = await self._database.transact(change)
        if lease.resources != before.resources:  # one that is capped asks again and again
            log.info("cluster resized", extra={"lease": lease.id, "cpu": lease.resources.cpu, "capped": capped})
        return lease, capped

    async def keep_cluster(self, site: str, lease_id: str, until: datetime) -> LeaseRow:
        """Hold until when its owner keeps a cluster in which nothing runs, for its gateway, which may be started again.

        Raises:
            Refused: 404 when the gateway of the site has no such lease, 409 when it is over.
        """

        async def change(connection: AsyncConnection) -> LeaseRow:
            found = await store.find_lease(connection, lease_id, for_update=True)
            lease, now = _of_gateway(found, site, lease_id), self._clock()
            if not lease.is_open(now):
                raise refuse(409, "The lease is over", f"Lease {lease_id} is {lease.state}; ask for a new one.")
            kept = replace(lease, kept_until=max(lease.kept_until or until, until))
            await store.update_lease(connection, kept)
            return kept

        return await self._database.transact(change)

    async def gateway_heard(self, lease: LeaseRow) -> datetime:
        """When the gateway of a cluster was last heard, of all that it runs or of this one."""
        site = lease.site or ""
        async with self._database.read() as connection:
            row = (await gateway_store.find_gateways(connection, site)).get(site)
        return max(lease.changed, (row.received_at if row else None) or lease.changed)

    async def cluster_heard(self, lease_id: str) -> datetime:
        """When the gateway of a cluster was last heard, or the cluster by it, if the gateway is away by now.

        Raises:
            Refused: 404 when there is no such cluster, 409 when its lease is over or its gateway was heard of late.
        """
        async with self._database.read() as connection:
            lease = await store.find_lease(connection, lease_id)
        if lease is None or lease.kind is not Kind.CLUSTER or lease.site is None:
            raise refuse(404, "No such lease", f"There is no cluster with the lease {lease_id}.")
        now = self._clock()
        if not lease.is_open(now):
            raise refuse(409, "The lease is over", f"Lease {lease_id} is {lease.state}.")
        heard = await self.gateway_heard(lease)
        if now - heard < GATEWAY_SILENCE:
            seconds = round((now - heard).total_seconds())
            detail = f"The gateway of {lease.site} was heard {seconds} s ago: have it stop the cluster."
            raise refuse(409, "Its gateway is there", detail)
        return heard

    async def _resized(
        self, connection: AsyncConnection, lease: LeaseRow, granted: Resources, standing: Standing, now: datetime
    ) -> LeaseRow:
        if granted == lease.resources:
            return lease
        if lease.state is LeaseState.ACTIVE:
            lease = await meter(connection, lease, max(now, lease.metered_until or now), standing.platform, now)
        resized = replace(
            lease,
            resources=granted,
            resized=now,
            cost_before=lease.cost(now),
            changed=now,
            reserved_until=now + standing.slice_at(lease.site or "", granted, lease.price),
        )
        await store.update_lease(connection, resized)
        for notice in threshold_notices(standing, resized):
            await add_notice(connection, notice, now)
        return resized

    async def _room(
        self,
        connection: AsyncConnection,
        platform: Platform,
        who: Who,
        site: str,
        now: datetime,
        excluding: str | None = None,
    ) -> _Room:
        if site not in platform.sites:
            raise refuse(409, "No such site", f"Site {site!r} is no longer in the platform file.")
        known = await look_beforehand(connection, who.owner, now)
        standing = await stand(
            connection, platform, who, now, sites=[site], excluding=excluding, overrides=known.overrides
        )
        held = standing.holdings.held_by_site()
        closed = closed_sites(known.closures, platform, now)
        return _Room(
            platform, (await gather_sites(connection, platform, now, closed=closed, held=held))[site], standing
        )

    async def report_clusters(self, site: str, inventory: Inventory) -> InventoryAnswer:
        """Keep what a gateway runs, and answer which of its clusters must end: those whose lease is over or unknown.

        A gateway has the answer to its ask before it makes a cluster, so a ledger that knows nothing of one was
        restored from before: nobody counts or pays for what runs there.

        Raises:
            Refused: the inventory was taken in the future, or long before the last one.
        """
        now = self._clock()
        if inventory.observed_at > now + self._margin:
            detail = "observed_at lies in the future: set the clocks of gateway and control."
            raise refuse(422, "From the future", detail)

        async def keep(connection: AsyncConnection) -> InventoryAnswer:
            await lock_subjects(connection, [f"site:{site}"])
            row = (await gateway_store.find_gateways(connection, site)).get(site)
            before = row.observed_at if row is not None else None
            late = before is not None and inventory.observed_at < before
            if before is not None and before - inventory.observed_at > OVERTAKEN:
                # so old that it was not only overtaken: nothing would be heard until the clock is past where it was
                detail = "observed_at lies before that of the last one: set the clocks of gateway and control."
                raise refuse(422, "From the past", detail)
            if late or not inventory.reachable:
                return InventoryAnswer(remove=[])  # a newer one has spoken, or there is nothing to say
            seen = tuple(each.model_copy(update={"facts": None}) for each in inventory.attempts)
            await gateway_store.save_gateway(
                connection, SiteRow(site, inventory.observed_at, now, reachable=True, attempts=seen)
            )
            ids = [each.attempt_id for each in inventory.attempts]
            await store.mark_seen(connection, ids, inventory.observed_at)
            known = await store.states_of_attempts(connection, ids)
            remove = attempts_to_remove(inventory, known, self._margin)
            # those that a limit, a closure or a lost group has the controller stop, which has said why in the lease
            stopped = await gateway_store.attempts_to_stop(connection, ids)
            unknown = [attempt_id for attempt_id in ids if attempt_id not in known]
            return InventoryAnswer(remove=list(dict.fromkeys([*remove, *stopped, *unknown])))

        return await self._database.transact(keep)


def most_that_fits(
    has: Resources, wanted: Resources, step: Resources | None, why_not: Callable[[Resources], str | None]
) -> tuple[Resources, str | None]:
    """The most of what is wanted that fits: all of it, or some steps less, and at least what it has; and what was in
    the way of more. Pure.

    ``why_not`` says what is in the way of some resources; who may have more of them may have less.
    """
    if all(more <= 0 for more in _less(wanted, has)):
        return wanted, None  # it gives something back
    capped = why_not(wanted)
    if capped is None:
        return wanted, None
    most = _steps_between(has, wanted, step) if step is not None else 0
    fewest, least = 1, most + 1  # the fewest steps that may do, and the number of which none does
    while step is not None and fewest < least:
        middle = (fewest + least) // 2
        tried = why_not(_without(wanted, step, middle))
        if tried is None:
            least = middle
        else:
            fewest, capped = middle + 1, tried
    return (_without(wanted, step, least), capped) if step is not None and least <= most else (has, capped)


def _less(one: Resources, other: Resources) -> tuple[float, float, float]:
    return one.cpu - other.cpu, one.memory_gib - other.memory_gib, one.gpu - other.gpu


def _without(wanted: Resources, step: Resources, steps: int) -> Resources:
    return Resources(
        cpu=round(wanted.cpu - steps * step.cpu, 9),  # six tenths less five are a tenth
        memory_gib=round(wanted.memory_gib - steps * step.memory_gib, 9),
        gpu=wanted.gpu - steps * step.gpu,
    )


def _steps_between(has: Resources, wanted: Resources, step: Resources) -> int:
    """How many steps can be left out of what is wanted, and something is left beyond what it has."""
    sizes = (step.cpu, step.memory_gib, step.gpu)
    whole = min(more / size for more, size in zip(_less(wanted, has), sizes, strict=True) if size > 0)
    return max(0, ceil(whole - TOLERANCE) - 1)


def _of_gateway(lease: LeaseRow | None, site: str, lease_id: str) -> LeaseRow:
    """The lease, if it is of a cluster of this gateway.

    Raises:
        Refused: it is not; the same answer for what is not there.
    """
    if lease is None or lease.kind is not Kind.CLUSTER or lease.site != site:
        raise refuse(404, "No such lease", f"The gateway of {site} has no lease {lease_id}.")
    return lease


def _same_lease(earlier: LeaseRow, site: str, request: ClusterRequest, now: datetime) -> LeaseOffer:
    if (earlier.owner, earlier.kind, earlier.name, earlier.site) != (request.owner, request.kind, request.name, site):
        raise refuse(409, "Attempt id in use", f"Attempt {request.attempt_id} asked for another workload.")
    if not earlier.is_open(now):
        raise refuse(409, "The lease is over", f"Attempt {request.attempt_id} is over; ask with a new attempt id.")
    return earlier.offer


def _new_lease(
    platform: Platform, site: str, request: ClusterRequest, who: Who, ranking: Ranking, standing: Standing
) -> LeaseRow:
    lease_id, now = secrets.token_hex(16), standing.now
    offer = LeaseOffer(
        id=lease_id,
        attempt_id=request.attempt_id,
        candidates=list(ranking.candidates),
        spawn=SpawnSpec(resources=request.resources, without_home=True, policy_version=platform.version),
        explanation=ranking.explanation(),
        starting=True,
    )
    return LeaseRow(
        id=lease_id,
        attempt_id=request.attempt_id,
        owner=request.owner,
        kind=Kind.CLUSTER,
        name=request.name,
        profile="",
        state=LeaseState.STARTING,
        site=site,
        resources=request.resources,
        without_home=True,
        offer=offer,
        price=platform.sites[site].price,
        created=now,
        expires=now + platform.admission.offer_length,
        changed=now,
        started=None,
        last_seen=None,
        ended=None,
        reason=None,
        charge_to=who.charge_to,
        groups=tuple(sorted(who.groups)),
        metered_until=now,
        reserved_until=now + standing.slice_at(site, request.resources),
    )
