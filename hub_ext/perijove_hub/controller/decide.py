"""What is announced and what is stopped: rules over plain data, with the time passed in.

Five things stop a session: the end of its time, idleness, a limit that is used up, a site that closes, and a group that
its owner has lost. Each has a moment, and nobody is stopped whom nobody told:

- A stop is announced ``admission.notice`` before. A session that is shorter than twice that is told at its half.
- Where the announcement comes late, because the controller was away, the end of the time and the idle stop wait until
  it has stood for its full length. So does a closure whose moment has passed; before that moment, an admin's word
  stands.
- An end of time or an idle stop that was announced and not carried out in time is announced anew: who has worked on for
  an hour beyond it counts on nothing any more.
- A key of a notice holds the moment that it tells. So nothing is told twice, also when a clock goes back, and a moment
  that was put off is told again.
- Silence proves idleness only while it could be broken: a session reports through hub and control, so where neither
  has told of its site lately, nobody is idle.
- A limit announces its own stop when it sets the moment (see :mod:`perijove_hub.admission.renewals`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from perijove.models import Closure, Kind, LeaseState, Topic
from perijove_hub.admission.life import hard_bound, kept_lease
from perijove_hub.controller.due import Due, closure_due, idle_due, lost_group, quota_due, stopped_for_group, time_due
from perijove_hub.ledger.life_store import Announcement
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.notices import NewNotice
from perijove_hub.ledger.words import spoken_time
from perijove_hub.policy.models import Admission, Platform

#: A stop that is this many sweeps late is announced again.
SWEEPS_LATE = 3

#: For how long the owner is offered to keep a session.
KEEP_MINUTES = 30


@dataclass(frozen=True)
class Look:
    """What a sweep sees.

    Args:
        now: the time.
        platform: the platform file in force.
        leases: the open ones.
        closures: those that are neither withdrawn nor over.
        groups: of the owners about whom the hub has answered; about others nobody knows.
        heard: the sites of which hub and control have told lately.
    """

    now: datetime
    platform: Platform
    leases: Sequence[LeaseRow]
    closures: Sequence[Closure] = ()
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    heard: Collection[str] = frozenset()

    @property
    def admission(self) -> Admission:
        """The times that the platform file gives."""
        return self.platform.admission


@dataclass(frozen=True)
class Stop:
    """A session that is stopped now, and why. ``is_new`` is false when the hub has been asked before."""

    lease: LeaseRow
    topic: Topic | None
    reason: str
    is_new: bool = True


@dataclass(frozen=True)
class Grace:
    """When a session stops because its owner has lost a group; None: not any more. ``notice`` tells the owner."""

    lease: LeaseRow
    stop_at: datetime | None
    notice: NewNotice | None = None


@dataclass(frozen=True)
class Decision:
    """What follows from a look."""

    notices: tuple[NewNotice, ...] = ()
    stops: tuple[Stop, ...] = ()
    graces: tuple[Grace, ...] = ()


def stoppable(leases: Sequence[LeaseRow]) -> list[LeaseRow]:
    """What can be stopped: the active clusters, and of each server the newest lease, when it is active.

    The hub is asked by the name of the server. An older lease of the same name stands for what is gone, which the
    inventories will show. A gateway learns by the answer to its inventory which of its clusters are to stop.
    """
    newest: dict[tuple[str, str], LeaseRow] = {}
    for lease in leases:
        key = (lease.owner, lease.name)
        if lease.kind is Kind.SESSION and (key not in newest or _age(newest[key]) < _age(lease)):
            newest[key] = lease
    clusters = [lease for lease in leases if lease.kind is Kind.CLUSTER]
    return [lease for lease in (*newest.values(), *clusters) if lease.state is LeaseState.ACTIVE]


def _age(lease: LeaseRow) -> tuple[datetime, str]:
    return lease.created, lease.id


def needs_groups(look: Look) -> set[str]:
    """The owners whose groups decide about their sessions."""
    return {lease.owner for lease in stoppable(look.leases) if stopped_for_group(lease, look.platform)}


def pressing(look: Look) -> list[Due]:
    """The stops that are to be announced or carried out by now, but for those of lost groups."""
    found = []
    for lease in stoppable(look.leases):
        if lease.reason is not None:
            continue
        dues = [time_due(lease, look.platform), quota_due(lease)]
        if lease.site in look.heard:
            dues.append(idle_due(lease, look.platform))
        dues.append(closure_due(lease, look.closures, look.platform))
        found += [due for due in dues if due is not None and look.now >= _announced_from(due, look.admission)]
    return found


def _announced_from(due: Due, admission: Admission) -> datetime:
    if due.is_told_early:
        return datetime.min.replace(tzinfo=due.at.tzinfo)
    # a sweep before, so that the announcement stands for its full length when the moment comes
    return due.at - due.warning - timedelta(seconds=admission.sweep_seconds)


def decide(look: Look, dues: Iterable[Due], announced: Iterable[Announcement]) -> Decision:
    """What to do now.

    Args:
        look: what is seen.
        dues: the stops of :func:`pressing`.
        announced: what was announced for their leases.
    """
    notices: list[NewNotice] = []
    stops = {
        lease.id: Stop(lease, None, lease.reason, is_new=False)
        for lease in stoppable(look.leases)
        if lease.reason is not None
    }
    by_due: dict[tuple[str, Topic], list[Announcement]] = {}
    for announcement in announced:
        by_due.setdefault((announcement.lease_id, announcement.topic), []).append(announcement)
    for due in dues:
        told = by_due.get((due.lease.id, due.topic), [])
        if notice := _to_announce(due, told, look):
            notices.append(notice)
        elif _is_over(due, told, look.now):
            stops.setdefault(due.lease.id, Stop(due.lease, due.topic, due.reason))
    graces = []
    for lease in stoppable(look.leases):
        if lease.reason is not None or lease.id in stops:
            continue
        verdict = _about_groups(lease, look)
        if isinstance(verdict, Stop):
            stops[lease.id] = verdict
        elif verdict is not None:
            graces.append(verdict)
    return Decision(tuple(notices), tuple(stops.values()), tuple(graces))


def _to_announce(due: Due, told: Iterable[Announcement], look: Look) -> NewNotice | None:
    """The announcement that is missing now, if one is."""
    if due.is_announced:
        return None
    now, admission = look.now, look.admission
    standing = _standing(due, told)
    if standing is None:
        is_early = due.is_told_early and now < due.at - due.warning - timedelta(seconds=admission.sweep_seconds)
        if is_early:
            is_known = any(announcement.stops_at == due.at for announcement in told)
            return None if is_known else _notice(due, due.at, look, is_early=True)
        return _notice(due, _moment(due, now), look)
    late = now - standing > SWEEPS_LATE * timedelta(seconds=admission.sweep_seconds)
    # a while later nobody can tell any more whether it still counts
    return _notice(due, now + due.warning, look) if late and not due.is_hard else None


def _moment(due: Due, now: datetime) -> datetime:
    """When it is stopped, if it is announced now."""
    if due.is_hard and due.at > now:
        return due.at
    return max(due.at, now + due.warning)


def _standing(due: Due, told: Iterable[Announcement]) -> datetime | None:
    """The moment that was told last for this very stop; None: none was, or it was put off since."""
    moments = [
        announcement.stops_at
        for announcement in told
        if announcement.is_final and due.at <= announcement.stops_at <= max(due.at, announcement.created + due.warning)
    ]
    return max(moments, default=None)


def _is_over(due: Due, told: Iterable[Announcement], now: datetime) -> bool:
    moment = due.at if due.is_announced else _standing(due, told)
    return moment is not None and now >= moment


def _notice(due: Due, stops_at: datetime, look: Look, *, is_early: bool = False) -> NewNotice:
    lease, platform = due.lease, look.platform
    can_keep = bool(due.after_if_kept) and _can_keep(lease, look)
    source = f":{due.source}" if due.source else ""
    return NewNotice(
        key=f"{due.topic}{'-early' if is_early else ''}:{lease.id}:{stops_at.isoformat()}{source}",
        topic=due.topic,
        severity="info" if is_early else "warning",
        message=due.message(spoken_time(stops_at, platform.zone), can_keep=can_keep),
        owner=lease.owner,
        lease_id=lease.id,
        keep_minutes=KEEP_MINUTES if can_keep else None,
        expires=stops_at,
    )


def _can_keep(lease: LeaseRow, look: Look) -> bool:
    bound = hard_bound(lease, look.closures, look.platform)
    return kept_lease(lease, bound, look.now, timedelta(minutes=KEEP_MINUTES)) is not None


def _about_groups(lease: LeaseRow, look: Look) -> Grace | Stop | None:
    groups = look.groups.get(lease.owner)
    if groups is None:
        return None  # nobody knows: that is no verdict
    lost = lost_group(lease, groups, look.platform)
    if lost is None:
        return Grace(lease, None) if lease.allowed_stop_at is not None else None
    if lease.allowed_stop_at is not None:
        return Stop(lease, Topic.ALLOWED, lost.reason) if look.now >= lease.allowed_stop_at else None
    stop_at = look.now + look.admission.allowed_grace
    notice = NewNotice(
        key=f"{Topic.ALLOWED}:{lease.id}:{stop_at.isoformat()}",
        topic=Topic.ALLOWED,
        severity="error",
        message=lost.message(spoken_time(stop_at, look.platform.zone)),
        owner=lease.owner,
        lease_id=lease.id,
        expires=stop_at,
    )
    return Grace(lease, stop_at, notice)
