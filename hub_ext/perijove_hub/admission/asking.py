"""Asking for a lease: quota and placement in one transaction, and the dry run of both."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import (
    FailedStart,
    LeaseOffer,
    LeaseRequest,
    LeaseState,
    Placement,
    QuotaView,
    SessionWish,
    SpawnSpec,
)
from perijove_hub.admission.base import AdmissionBase, closed_sites, log
from perijove_hub.admission.facts import gather_sites, image_for, resolve_profile, resolve_wish
from perijove_hub.admission.limits import (
    Standing,
    Who,
    home_limit,
    lock_keys,
    stand,
    views_for,
    when_it_frees,
    who_pays,
)
from perijove_hub.admission.models import Refused, refuse, refused_by
from perijove_hub.admission.near import near_limits
from perijove_hub.admission.thresholds import threshold_notices
from perijove_hub.ledger import said_store, store
from perijove_hub.ledger.beforehand import look_beforehand
from perijove_hub.ledger.binding import chargeable_groups
from perijove_hub.ledger.locks import lock_subjects
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.notices import add_notice
from perijove_hub.ledger.quota import OverLimit
from perijove_hub.placement import Ranking, SiteFacts, Wish, rank_sites
from perijove_hub.policy.models import Platform, Profile


@dataclass(frozen=True)
class _Decision:
    """What was found out about one wish: where it could run, and what is in its way."""

    wish: Wish
    ranking: Ranking
    over: OverLimit | None
    home_site: str | None
    rescue: bool
    standing: Standing


class Asking(AdmissionBase):
    """Asks for leases, and tells what would be answered."""

    async def ask(self, request: LeaseRequest) -> LeaseOffer:
        """Admit one workload, or refuse. Asking again with the same attempt id gives the same answer.

        Who begins at the first candidate at once has the lease ``starting`` there by the same transaction.

        Raises:
            Refused: by a limit, because no site can run it, or because the wish names what is not there. A refusal
                of a known user is kept, for whoever asks why.
        """
        platform = self._platform()
        groups = frozenset(request.groups)

        async def decide(connection: AsyncConnection) -> LeaseOffer | Refused:
            try:
                return await self._offered(connection, platform, request, groups)
            except Refused as refused:
                return refused

        answer = await self._database.transact(decide)
        if isinstance(answer, LeaseOffer):
            log.info("lease offered", extra={"lease": answer.id, "attempt": answer.attempt_id, "owner": request.owner})
            return answer
        log.info(
            "lease refused",
            extra={"attempt": request.attempt_id, "owner": request.owner, "title": answer.problem.title},
        )
        raise answer

    async def _offered(
        self, connection: AsyncConnection, platform: Platform, request: LeaseRequest, groups: frozenset[str]
    ) -> LeaseOffer:
        ranking, refused = None, None
        try:
            profile_name, profile = resolve_profile(platform, request, groups)
            who = Who(request.owner, groups, who_pays(platform, request.charge_to, groups))
            await lock_subjects(connection, lock_keys(platform, who))
            now = self._clock()
            decision = await self._decide(connection, platform, request, who, profile, now)
            ranking = decision.ranking
            if decision.over:
                refused = refused_by(await when_it_frees(connection, decision.over, now))
            elif not ranking.candidates:
                refused = refuse(403, "No site can run this now", ranking.summary)
        except Refused as unanswerable:
            now, refused = self._clock(), unanswerable
        if refused is None:
            lease = self._lease(platform, request, profile_name, who, decision)
            if await store.insert_lease(connection, lease):
                if request.starting:
                    await self._take_site(connection, platform, lease, decision.home_site, now)
                for notice in threshold_notices(decision.standing, lease):
                    await add_notice(connection, notice, now)
                return lease.offer
        # looked for last, since hardly anybody asks twice; who does has the lease that was counted against this one
        earlier = await store.find_attempt(connection, request.attempt_id)
        if earlier is not None:
            return _same_offer(earlier, request, now)
        if refused is None:
            raise RuntimeError(f"the lease of attempt {request.attempt_id} is neither new nor there")
        await self._keep_refusal(connection, request, refused, ranking)
        raise refused

    async def _decide(
        self,
        connection: AsyncConnection,
        platform: Platform,
        wish: SessionWish,
        who: Who,
        profile: Profile,
        now: datetime,
    ) -> _Decision:
        known = await look_beforehand(connection, who.owner, now)
        standing = await stand(connection, platform, who, now, sites=platform.sites, overrides=known.overrides)
        over_at = {site: over for site in platform.sites if (over := standing.first_over_at(site, profile.resources))}
        resolved = resolve_wish(platform, wish, who.owner, who.groups, known.home_site)
        home = home_limit(platform, who.owner, who.groups, now, known.overrides)
        rescue = not wish.without_home and home is not None and known.home_gib >= home.limit
        if rescue:
            # only the platform's own image is sure to start without kernels, and to have the page that makes room
            resolved = replace(resolved, image=profile.image, image_is_users=False)
        closed = closed_sites(known.closures, platform, now)
        facts = await gather_sites(
            connection,
            platform,
            now,
            closed=closed,
            over_limit={site: f"is beyond a limit: {over.detail}" for site, over in over_at.items()},
            held=standing.holdings.held_by_site(),
        )
        ranking = rank_sites(resolved, list(facts.values()))
        over = standing.first_over(profile.resources)
        if over is None and not ranking.candidates and over_at:
            # nothing but the limit is in the way: then the limit is the answer, and not "no site"
            held = standing.holdings.held_by_site()
            unlimited = await gather_sites(connection, platform, now, closed=closed, held=held)
            best = rank_sites(resolved, list(unlimited.values())).candidates
            over = over_at.get(best[0].site) if best else None
        return _Decision(resolved, ranking, over, known.home_site, rescue, standing)

    async def _keep_refusal(
        self, connection: AsyncConnection, request: LeaseRequest, refused: Refused, ranking: Ranking | None = None
    ) -> None:
        await said_store.save_refusal(
            connection,
            FailedStart(
                attempt_id=request.attempt_id,
                owner=request.owner,
                name=request.name,
                at=self._clock(),
                title=refused.problem.title,
                detail=refused.problem.detail,
                profile=request.profile,
                site=request.site,
                explanation=ranking.explanation() if ranking else None,
                log_tail=None,
            ),
        )

    async def place(self, owner: str, groups: frozenset[str], wish: SessionWish) -> Placement:
        """A dry run: where a session would start now, and whether it would be admitted. Changes nothing.

        Raises:
            Refused: the wish names what is not there.
        """
        platform, now = self._platform(), self._clock()
        _, profile = resolve_profile(platform, wish, groups)
        payer, reason = None, None
        try:
            payer = who_pays(platform, wish.charge_to, groups)
        except Refused as refused:
            reason = refused.problem.detail
        try:
            image_for(profile, wish)
        except Refused as refused:
            # a form asks while somebody types: it hears where the usual image would run
            reason, wish = refused.problem.detail, wish.model_copy(update={"image": None})
        async with self._database.read() as connection:
            decision = await self._decide(connection, platform, wish, Who(owner, groups, payer), profile, now)
            if decision.over:
                reason = (await when_it_frees(connection, decision.over, now)).detail
        ranking = decision.ranking
        if reason is None and not ranking.candidates:
            reason = ranking.summary
        best = ranking.candidates[0] if ranking.candidates else None
        return Placement(
            allowed=reason is None,
            reason=reason,
            candidates=list(ranking.candidates),
            rejected=list(ranking.rejected),
            summary=ranking.summary,
            cost_hour=best.cost_hour if best else None,
            lasts_hours=decision.standing.lasts_hours(best.site, profile.resources) if best else None,
            charge_to=payer,
            may_charge=chargeable_groups(platform, groups),
        )

    async def quotas(self, owner: str, groups: frozenset[str]) -> list[QuotaView]:
        """Each limit of a user with what is used of it."""
        async with self._database.read() as connection:
            return await views_for(connection, self._platform(), owner, groups, self._clock())

    async def near(self, share: float, limit: int) -> list[QuotaView]:
        """The limits of everybody of which at least ``share`` is used, the fullest first; for admins."""
        async with self._database.read() as connection:
            return await near_limits(connection, self._platform(), self._clock(), share, limit)

    async def sites(self) -> Mapping[str, SiteFacts]:
        """Every site with its health and load."""
        platform, now = self._platform(), self._clock()
        async with self._database.read() as connection:
            closed = closed_sites(await said_store.active_closures(connection, now), platform, now)
            return await gather_sites(connection, platform, now, closed=closed)

    async def lease(self, lease_id: str) -> LeaseRow | None:
        """One lease, or None."""
        async with self._database.read() as connection:
            return await store.find_lease(connection, lease_id)

    async def leases(
        self, owner: str | None, before: tuple[datetime, str] | None, limit: int, *, open_only: bool = False
    ) -> list[LeaseRow]:
        """Leases from the newest on; see :func:`perijove_hub.ledger.store.list_leases`."""
        async with self._database.read() as connection:
            return await store.list_leases(connection, owner, before, limit, open_only=open_only)

    def _offer(self, platform: Platform, request: LeaseRequest, profile_name: str, decision: _Decision) -> LeaseOffer:
        profile = platform.profiles[profile_name]
        lease_id = secrets.token_hex(16)
        env = {**profile.env, "PERIJOVE_LEASE_ID": lease_id, "PERIJOVE_DATASETS": ",".join(request.datasets)}
        explanation = decision.ranking.explanation()
        if request.image is not None and not decision.wish.image_is_users:
            summary = f"{explanation.summary}; with the platform's image, since your home is full"
            explanation = explanation.model_copy(update={"summary": summary})
        return LeaseOffer(
            id=lease_id,
            attempt_id=request.attempt_id,
            candidates=decision.ranking.to_try(platform.placement.retries),
            spawn=SpawnSpec(
                resources=profile.resources,
                image=decision.wish.image,
                image_is_users=decision.wish.image_is_users,
                env=env | {"PERIJOVE_CURRENCY": platform.currency},
                home_site=decision.home_site,
                without_home=request.without_home,
                max_hours=profile.max_hours,
                idle_minutes=profile.idle_minutes,
                rescue=decision.rescue,
                policy_version=platform.version,
            ),
            explanation=explanation,
            starting=request.starting,
        )

    def _lease(
        self,
        platform: Platform,
        request: LeaseRequest,
        profile_name: str,
        who: Who,
        decision: _Decision,
    ) -> LeaseRow:
        offer = self._offer(platform, request, profile_name, decision)
        now, first, profile = decision.standing.now, offer.candidates[0].site, platform.profiles[profile_name]
        return LeaseRow(
            id=offer.id,
            attempt_id=offer.attempt_id,
            owner=request.owner,
            kind=request.kind,
            name=request.name,
            profile=profile_name,
            state=LeaseState.STARTING if request.starting else LeaseState.OFFERED,
            site=first,
            resources=offer.spawn.resources,
            without_home=request.without_home,
            offer=offer,
            price=platform.sites[first].price,
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
            reserved_until=now + decision.standing.slice_at(first, offer.spawn.resources),
            idle_minutes=profile.idle_minutes,
            keeps_left=profile.keeps,
        )


def _same_offer(earlier: LeaseRow, request: LeaseRequest, now: datetime) -> LeaseOffer:
    if earlier.owner != request.owner or earlier.kind != request.kind or earlier.name != request.name:
        raise refuse(409, "Attempt id in use", f"Attempt {request.attempt_id} asked for another workload.")
    if not earlier.is_open(now):
        raise refuse(409, "The lease is over", f"Attempt {request.attempt_id} is over; ask with a new attempt id.")
    return earlier.offer
