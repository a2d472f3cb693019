"""The life of a lease while it is active: how it is used, and what puts off its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Activity, Closure, ExtendRequest, Kind, LeaseState, Silence, Topic
from perijove_hub.admission.base import AdmissionBase, log
from perijove_hub.admission.models import Refused, refuse
from perijove_hub.ledger import life_store, said_store, store
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.notices import NewNotice, add_notice
from perijove_hub.ledger.words import spoken_time
from perijove_hub.policy.models import Platform

#: A machine that was silent for so long was given up, or is heard of again.
SILENCE_SHOWN = timedelta(minutes=15)


@dataclass(frozen=True)
class Bound:
    """A moment beyond which nobody can keep a session, and why, in words that follow "it is stopped at …"."""

    at: datetime
    reason: str


class Life(AdmissionBase):
    """Notes activity and puts off ends; :class:`~perijove_hub.admission.base.AdmissionBase` says what it is given."""

    async def activity(self, lease_id: str, owner: str, activity: Activity) -> LeaseRow:
        """Note how idle a session is, as its own server says; one update, without a lock.

        Raises:
            Refused: 404 when the owner has no such lease, 409 when it is not active.
        """

        async def note(connection: AsyncConnection) -> LeaseRow:
            now = self._clock()
            at = used_at(activity, now)
            await life_store.record_activity(connection, lease_id, owner, at, now, busy=activity.busy)
            return _active(await store.find_lease(connection, lease_id), lease_id, owner)

        return await self._database.transact(note)

    async def keep(self, lease_id: str, owner: str, minutes: int) -> LeaseRow:
        """Put off the stop of a session by some minutes, for its owner.

        It is not stopped for idleness until then. The end of its time moves by as much, as often as its profile
        allows. What an admin or a limit has set is not put off.

        Raises:
            Refused: 404 when the owner has no such lease, 409 when it is not active or nothing can be put off.
        """

        moves: list[_Move] = []

        async def put_off(connection: AsyncConnection) -> LeaseRow:
            now, platform = self._clock(), self._platform()
            lease = _stoppable(await store.find_lease(connection, lease_id, for_update=True), lease_id, owner)
            if _is_made(lease, moves):
                return lease
            closures = await said_store.active_closures(connection, now)
            bound = hard_bound(lease, closures, platform)
            kept = kept_lease(lease, bound, now, timedelta(minutes=minutes))
            if kept is None:
                raise refuse(409, "Nothing to put off", _why_not(lease, bound, platform))
            moves.append(_Move(_ends(lease), _ends(kept)))
            await store.update_lease(connection, kept)
            await life_store.withdraw_announcements(connection, lease.id, lease.owner, _moved_topics(lease, kept), now)
            return kept

        lease = await self._database.transact(put_off)
        log.info("lease kept", extra={"lease": lease.id, "minutes": minutes, "keeps_left": lease.keeps_left})
        return lease

    async def extend(self, lease_id: str, author: str, request: ExtendRequest) -> LeaseRow:
        """Put off the end of a session's time, by an admin; its owner is told who did so and why.

        Raises:
            Refused: 404 when there is no such lease, 409 when it is not active or its time has no end.
        """

        moves: list[_Move] = []

        async def put_off(connection: AsyncConnection) -> LeaseRow:
            now, platform = self._clock(), self._platform()
            lease = _stoppable(await store.find_lease(connection, lease_id, for_update=True), lease_id, None)
            if _is_made(lease, moves):
                return lease
            if lease.ends_at is None:
                raise refuse(409, "Nothing to put off", f"The time of lease {lease.id} has no end.")
            ends_at = max(lease.ends_at, now) + timedelta(minutes=request.minutes)
            extended = replace(lease, ends_at=ends_at)
            moves.append(_Move(_ends(lease), _ends(extended)))
            await store.update_lease(connection, extended)
            await life_store.withdraw_announcements(connection, lease.id, lease.owner, [Topic.TIME], now)
            notice = NewNotice(
                key=f"extended:{lease.id}:{ends_at.isoformat()}",
                topic=Topic.TIME,
                severity="info",
                message=f"{author} has put off the end of {spoken_session(lease)} to "
                f"{spoken_time(ends_at, platform.zone)}: {request.reason}",
                owner=lease.owner,
                lease_id=lease.id,
                expires=ends_at,
                author=author,
            )
            await add_notice(connection, notice, now)
            return extended

        lease = await self._database.transact(put_off)
        log.info("lease extended", extra={"lease": lease.id, "author": author, "minutes": request.minutes})
        return lease

    async def tell_silence(self, lease_id: str, silence: Silence) -> LeaseRow:
        """Tell the owner of a session that the machine it runs on is not heard of, or is again. Once each.

        Raises:
            Refused: 404 when there is no such lease, 409 when it is not active.
        """

        async def tell(connection: AsyncConnection) -> LeaseRow:
            now, platform = self._clock(), self._platform()
            lease = _active(await store.find_lease(connection, lease_id, for_update=True), lease_id, None)
            if silence.is_over:
                await life_store.withdraw_announcements(connection, lease.id, lease.owner, [Topic.SILENCE], now)
            await add_notice(connection, _silence_notice(lease, silence, platform, now), now)
            return lease

        lease = await self._database.transact(tell)
        log.info("silence told", extra={"lease": lease.id, "site": lease.site, "is_over": silence.is_over})
        return lease

    async def stop(self, lease_id: str, author: str, reason: str | None, *, of_anybody: bool) -> LeaseRow:
        """Have what runs stopped: its lease says why, and the controller or its gateway carries it out within a sweep.

        Args:
            lease_id: of what runs.
            author: who wants it.
            reason: why, in the author's words; needed for what somebody else runs.
            of_anybody: whether the author is an admin; others end what is their own.

        Raises:
            Refused: 404 when there is no such lease, 409 when it is not active or is being stopped already, 422 when
                there is no reason where one is needed.
        """
        owner = None if of_anybody else author

        async def end(connection: AsyncConnection) -> LeaseRow:
            lease = _active(await store.find_lease(connection, lease_id, for_update=True), lease_id, owner)
            is_own = lease.owner == author
            if reason is None and not is_own:
                raise refuse(422, "No reason", f"reason: tell {lease.owner}, whose work ends, why.")
            said = f"{'its owner' if is_own else author} has stopped it" + (f": {reason}" if reason else "")
            if lease.reason == said:
                return lease  # asked twice, as when an answer was lost
            lease = _stoppable(lease, lease_id, owner)
            await life_store.set_reason(connection, lease_id, None, said)
            return replace(lease, reason=said)

        lease = await self._database.transact(end)
        log.info("stop wanted", extra={"lease": lease.id, "author": author})
        return lease


def _silence_notice(lease: LeaseRow, silence: Silence, platform: Platform, now: datetime) -> NewNotice:
    title = platform.sites[lease.site].title if lease.site in platform.sites else lease.site
    since = spoken_time(silence.since, platform.zone)
    if silence.is_over:
        said = f"The machine at {title} that {spoken_session(lease)} runs on answers again: it went on meanwhile."
    else:
        said = (
            f"The machine at {title} that {spoken_session(lease)} runs on has not answered since {since}. If it comes "
            f"back soon, everything goes on; if not, the site gives the session up, and charges it until {since} or "
            "little more."
        )
    return NewNotice(
        key=f"silence:{lease.id}:{silence.since.isoformat()}:{silence.is_over}",
        topic=Topic.SILENCE,
        severity="info" if silence.is_over else "warning",
        message=said,
        owner=lease.owner,
        lease_id=lease.id,
        expires=now + SILENCE_SHOWN,
    )


def used_at(activity: Activity, now: datetime) -> datetime:
    """When a session was last used, by our clock and never in the future; one that runs code is in use now.

    The server's clock may be wrong by hours. How long ago it was is right all the same when the server says what time
    it has.
    """
    if activity.busy:
        return now
    ago = (activity.sent_at or now) - activity.last_activity
    return now - max(timedelta(0), ago)


def hard_bound(lease: LeaseRow, closures: Iterable[Closure], platform: Platform) -> Bound | None:
    """The first moment at which a session is stopped whatever its owner wants; None: there is none."""
    zone, bounds = platform.zone, []
    if lease.quota_stop_at is not None:
        bounds.append(Bound(lease.quota_stop_at, f"limit {lease.quota_stop_name} is used up"))
    if lease.allowed_stop_at is not None:
        bounds.append(Bound(lease.allowed_stop_at, "you are no longer in the group that it needs"))
    for closure in closures:
        if closure.site == lease.site and closure.stops_at is not None:
            title = platform.sites[closure.site].title if closure.site in platform.sites else closure.site
            bounds.append(Bound(closure.stops_at, f"{title} closes: {closure.reason}"))
    first = min(bounds, key=lambda bound: bound.at, default=None)
    return Bound(first.at, f"at {spoken_time(first.at, zone)}, since {first.reason}") if first else None


def kept_lease(lease: LeaseRow, bound: Bound | None, now: datetime, length: timedelta) -> LeaseRow | None:
    """The lease after its owner has kept it for a while; None when it would be stopped within that time as before."""
    latest = bound.at if bound else datetime.max.replace(tzinfo=now.tzinfo)
    kept = replace(lease, kept_until=max(lease.kept_until or now, min(now + length, latest)))
    if lease.ends_at is not None and lease.keeps_left > 0 and lease.ends_at < latest:
        kept = replace(kept, ends_at=min(max(lease.ends_at, now) + length, latest), keeps_left=lease.keeps_left - 1)
    before, after = _stop_at(lease, bound), _stop_at(kept, bound)
    is_in_vain = after is not None and after == before and after < now + length
    return None if is_in_vain else kept


@dataclass(frozen=True)
class _Move:
    """What puts off the ends of a lease, before and after a transaction whose answer may be lost."""

    before: tuple[object, ...]
    after: tuple[object, ...]


def _ends(lease: LeaseRow) -> tuple[object, ...]:
    return lease.ends_at, lease.kept_until, lease.keeps_left


def _is_made(lease: LeaseRow, moves: list[_Move]) -> bool:
    """Whether a transaction that is run again has made its move already.

    Raises:
        Refused: somebody else has moved the ends meanwhile, so that nobody can tell.
    """
    if not moves or _ends(lease) == moves[-1].before:
        return False
    if _ends(lease) == moves[-1].after:
        return True
    raise refuse(409, "It has changed", f"The end of lease {lease.id} was moved meanwhile: look at it, then ask again.")


def _stop_at(lease: LeaseRow, bound: Bound | None) -> datetime | None:
    moments = [lease.ends_at, lease.idle_stop_at, bound.at if bound else None]
    return min((moment for moment in moments if moment is not None), default=None)


def _moved_topics(before: LeaseRow, after: LeaseRow) -> list[Topic]:
    return [Topic.IDLE, Topic.TIME] if before.ends_at != after.ends_at else [Topic.IDLE]


def _why_not(lease: LeaseRow, bound: Bound | None, platform: Platform) -> str:
    name = spoken_session(lease, capital=True)
    if lease.ends_at is not None and (bound is None or lease.ends_at < bound.at):
        return (
            f"{name} is stopped at {spoken_time(lease.ends_at, platform.zone)}, when its time is over, and that cannot "
            "be put off again. Save your work and start a new one, or ask an admin for an extension."
        )
    return f"{name} is stopped {bound.reason if bound else 'soon'}. That cannot be put off: save your work."


def spoken_session(lease: LeaseRow, *, capital: bool = False) -> str:
    """``your server``, ``your server large``, ``your cluster ab12``: how its owner knows it."""
    thing = "cluster" if lease.kind is Kind.CLUSTER else "server"
    return f"{'Your' if capital else 'your'} {thing}{f' {lease.name}' if lease.name else ''}"


def _active(lease: LeaseRow | None, lease_id: str, owner: str | None) -> LeaseRow:
    """The lease, if it is the owner's and active.

    Raises:
        Refused: it is not.
    """
    if lease is None or owner not in (None, lease.owner):
        # the same answer for another's lease: ids tell nothing
        whom = "There is" if owner is None else "You have"
        raise refuse(404, "No such lease", f"{whom} no lease {lease_id}.")
    if lease.state is not LeaseState.ACTIVE:
        raise _not_active(lease)
    return lease


def _stoppable(lease: LeaseRow | None, lease_id: str, owner: str | None) -> LeaseRow:
    """As :func:`_active`, and it is not being stopped either."""
    lease = _active(lease, lease_id, owner)
    if lease.reason is not None:
        raise refuse(
            409, "It is being stopped", f"{spoken_session(lease, capital=True)} is being stopped: {lease.reason}."
        )
    return lease


def _not_active(lease: LeaseRow) -> Refused:
    if lease.state.is_open:
        return refuse(409, "Not active", f"Lease {lease.id} is {lease.state}; its session has not begun.")
    return refuse(409, "The lease is over", f"Lease {lease.id} is {lease.state}.")
