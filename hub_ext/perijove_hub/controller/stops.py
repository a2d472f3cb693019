"""Carries out what is decided: writes notices, and has the hub stop what is to be stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Kind, Topic
from perijove_hub import metrics
from perijove_hub.admission.facts import MISSED_INVENTORIES
from perijove_hub.admission.life import spoken_session
from perijove_hub.controller.decide import Decision, Grace, Look, Stop, decide, needs_groups, pressing
from perijove_hub.controller.due import Due
from perijove_hub.controller.hub_client import HubClient, HubRefused, HubUnavailable, Stopped
from perijove_hub.ledger import life_store, said_store, store
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.notices import NewNotice, add_notice
from perijove_hub.policy.models import Platform

log = logging.getLogger(__name__)

#: How many servers the hub is asked to stop at once.
STOPS_AT_ONCE = 20

#: How long one round may list the hub's users, and for how long it takes up new stops; the rest comes in the next.
ROUND_SECONDS = 20.0

#: How many notices go into one transaction.
NOTICES_AT_ONCE = 100

#: For how long a user who comes back is told why the session is gone.
TOLD_AFTERWARDS = timedelta(hours=12)


class Stops:
    """Warns and stops.

    Args:
        database: the ledger's.
        platform: gives the platform file in force.
        clock: gives the time by which sessions are stopped.
        hub: stops servers.
    """

    def __init__(
        self, database: Database, platform: Callable[[], Platform], clock: Callable[[], datetime], hub: HubClient
    ) -> None:
        self._database = database
        self._platform = platform
        self._clock = clock
        self._hub = hub
        self._hub_answers = True
        #: what the hub was asked to stop, and did not answer, by lease id
        self._unanswered: dict[str, Stop] = {}

    async def carry_out(self) -> Decision:
        """Look, decide, tell and stop, once; what was decided.

        Raises:
            SQLAlchemyError: the ledger cannot be used. What was not done is decided again in the next round.
        """
        look, dues, announced = await self._look()
        decision = decide(look, dues, announced)
        await self._write(decision, look.now)
        await self._say_gone(look)
        await self._stop(decision.stops, look.now)
        return decision

    # --- look -----------------------------------------------------------------------------------------------------

    async def _look(self) -> tuple[Look, list[Due], list[life_store.Announcement]]:
        now, platform = self._clock(), self._platform()
        async with self._database.read() as connection:
            leases = await store.open_leases(connection, with_offers=False)
            closures = await said_store.active_closures(connection, now)
            sites = await store.find_sites(connection, with_attempts=False)
        longest = timedelta(seconds=MISSED_INVENTORIES * platform.admission.inventory_seconds)
        heard = {
            name for name, row in sites.items() if row.received_at is not None and now - row.received_at <= longest
        }
        look = Look(now, platform, leases, closures, heard=heard)
        look = replace(look, groups=await self._groups(needs_groups(look)))
        dues = pressing(look)
        async with self._database.read() as connection:
            owners_of = {due.lease.id: due.lease.owner for due in dues if not due.is_announced}
            announced = await life_store.standing_announcements(connection, owners_of)
        return look, dues, announced

    async def _groups(self, owners: set[str]) -> dict[str, frozenset[str]]:
        if not owners:
            return {}
        try:
            async with asyncio.timeout(ROUND_SECONDS):
                groups = await self._hub.groups_of(owners)
        except TimeoutError:
            self._hear(HubUnavailable("it is slow to list its users"))
            return {}
        except HubUnavailable as error:
            self._hear(error)
            return {}
        self._hear(None)
        return groups

    def _hear(self, error: HubUnavailable | None) -> None:
        """One line in the log for each change, and not one for each round."""
        if error is not None:
            metrics.HUB_FAILURES.inc()
        if (error is None) is not self._hub_answers:
            self._hub_answers = error is None
            log.warning(
                "the hub answers again" if error is None else "the hub does not answer: %s", *filter(None, [error])
            )

    # --- tell -----------------------------------------------------------------------------------------------------

    async def _write(self, decision: Decision, now: datetime) -> None:
        for grace in decision.graces:
            await self._give(grace, now)
        for start in range(0, len(decision.notices), NOTICES_AT_ONCE):
            await self._tell(decision.notices[start : start + NOTICES_AT_ONCE], now)

    async def _give(self, grace: Grace, now: datetime) -> None:
        lease = grace.lease

        async def give(connection: AsyncConnection) -> bool:
            given = await life_store.set_allowed_stop(connection, lease.id, lease.allowed_stop_at, grace.stop_at)
            if given and grace.notice is not None:
                await add_notice(connection, grace.notice, now)
            elif given:
                await life_store.withdraw_announcements(connection, lease.id, lease.owner, [Topic.ALLOWED], now)
            return given

        if await self._database.transact(give):
            log.info("lease may not go on" if grace.stop_at else "lease may go on", extra={"lease": lease.id})
            if grace.notice is not None:
                metrics.NOTICES.labels(Topic.ALLOWED.value).inc()

    async def _tell(self, notices: Iterable[NewNotice], now: datetime) -> list[NewNotice]:
        """Write notices; those that are new."""

        async def tell(connection: AsyncConnection) -> list[NewNotice]:
            return [notice for notice in notices if await add_notice(connection, notice, now)]

        told = await self._database.transact(tell)
        for notice in told:
            metrics.NOTICES.labels(notice.topic.value).inc()
            log.info("owner told", extra={"lease": notice.lease_id, "topic": notice.topic.value})
        return told

    # --- stop -----------------------------------------------------------------------------------------------------

    async def _stop(self, stops: Iterable[Stop], now: datetime) -> None:
        """Ask the hub, new ones first: one that does not end is asked for each round, and must keep nobody waiting."""
        deadline = asyncio.get_running_loop().time() + ROUND_SECONDS
        places = asyncio.Semaphore(STOPS_AT_ONCE)
        gone = asyncio.Event()

        async def in_turn(stop: Stop) -> None:
            async with places:
                if not gone.is_set() and asyncio.get_running_loop().time() < deadline:
                    await self._stop_one(stop, now, gone)

        ordered = sorted(stops, key=lambda stop: (not stop.is_new, stop.lease.id))
        results = await asyncio.gather(*(in_turn(stop) for stop in ordered), return_exceptions=True)
        for fault in results:
            if fault is not None:
                raise fault

    async def _stop_one(self, stop: Stop, now: datetime, gone: asyncio.Event) -> None:
        lease = stop.lease
        # the reason is there before the hub is asked: the spawner that ends the lease knows only that it was stopped
        if stop.is_new and not await self._database.transact(lambda connection: _say_why(connection, stop)):
            return  # it was kept, used or ended meanwhile; the next round looks again
        if lease.kind is Kind.CLUSTER:
            # its gateway asks what to stop; the owner is told once it has
            self._unanswered.setdefault(lease.id, stop)
            return
        try:
            answer = await self._hub.stop(lease.owner, lease.name)
        except HubUnavailable as error:
            self._hear(error)
            gone.set()
            if stop.is_new and not error.is_certain:
                self._unanswered[lease.id] = stop
            await self._take_back(stop, is_certain=error.is_certain)
            return
        except HubRefused as error:
            log.warning("the hub does not stop a server: %s", error, extra={"lease": lease.id})
            await self._take_back(stop, is_certain=True)
            return
        self._hear(None)
        if answer is not Stopped.UNKNOWN:
            # each time: the first answer may have been lost, and the key of the notice says it once
            await self._say_farewell(self._unanswered.pop(lease.id, stop), now)
        elif stop.is_new:
            _count(stop)

    async def _say_gone(self, look: Look) -> None:
        """Tell the owners of what has ended whose stop the hub has not confirmed: it was carried out all the same."""
        is_open = {lease.id for lease in look.leases}
        for lease_id in [lease_id for lease_id in self._unanswered if lease_id not in is_open]:
            await self._say_farewell(self._unanswered[lease_id], look.now)
            del self._unanswered[lease_id]

    async def _say_farewell(self, stop: Stop, now: datetime) -> None:
        if await self._tell([_farewell(stop, now)], now):
            _count(stop)

    async def _take_back(self, stop: Stop, *, is_certain: bool) -> None:
        """Where the hub has certainly not begun to stop it, nothing is decided, and its owner may keep it still."""
        if stop.is_new and is_certain:
            lease_id = stop.lease.id
            await self._database.transact(
                lambda connection: life_store.set_reason(connection, lease_id, stop.reason, None)
            )


def _count(stop: Stop) -> None:
    metrics.STOPS.labels(stop.topic.value if stop.topic else "").inc()
    log.info("stop asked for", extra={"lease": stop.lease.id, "reason": stop.reason})


async def _say_why(connection: AsyncConnection, stop: Stop) -> bool:
    lease = await store.find_lease(connection, stop.lease.id, for_update=True)
    if lease is None or _what_counts(lease) != _what_counts(stop.lease):
        return False
    return await life_store.set_reason(connection, lease.id, None, stop.reason)


def _what_counts(lease: LeaseRow) -> tuple[object, ...]:
    """What a stop was decided by."""
    return (
        lease.state, lease.reason, lease.site, lease.charge_to, lease.ends_at, lease.idle_stop_at,
        lease.quota_stop_at, lease.allowed_stop_at,
    )  # fmt: skip


def _farewell(stop: Stop, now: datetime) -> NewNotice:
    return NewNotice(
        key=f"{Topic.ENDED}:{stop.lease.id}",
        topic=Topic.ENDED,
        severity="info",
        message=f"{spoken_session(stop.lease, capital=True)} was stopped: {stop.reason}.",
        owner=stop.lease.owner,
        lease_id=stop.lease.id,
        expires=now + TOLD_AFTERWARDS,
    )
