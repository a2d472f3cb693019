"""The moments at which a session is to be stopped, each with its reason; pure rules over one lease."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from perijove.models import Closure, Topic
from perijove_hub.admission.facts import profile_is_for
from perijove_hub.admission.life import spoken_session
from perijove_hub.ledger.binding import chargeable_groups, subject_of_pool
from perijove_hub.ledger.life_store import closure_mark
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.words import spoken_subject, spoken_time
from perijove_hub.policy.models import EVERYBODY, Platform


@dataclass(frozen=True)
class Due:
    """A reason to stop a session, and when.

    Args:
        lease: the session's.
        topic: what kind of reason it is.
        at: when it is stopped.
        warning: for how long that is announced before.
        reason: why, as the lease keeps it.
        before: what its owner is told, up to the moment.
        after: and what follows the moment: what to do.
        after_if_kept: what follows instead where the owner can put it off.
        is_hard: an admin or a limit has set it; it is not announced again when it is late.
        is_announced: who set the moment has told the owner.
        is_told_early: the owner is told as soon as it is known, and reminded when the warning begins.
        source: which one it is of several that may give the same moment; what was told of one is not of another.
    """

    lease: LeaseRow
    topic: Topic
    at: datetime
    warning: timedelta
    reason: str
    before: str
    after: str = "Save your work."
    after_if_kept: str = ""
    is_hard: bool = False
    is_announced: bool = False
    is_told_early: bool = False
    source: str = ""

    def message(self, when: str, *, can_keep: bool) -> str:
        """What the owner is told: when, and what to do."""
        after = self.after_if_kept if can_keep and self.after_if_kept else self.after
        return f"{self.before} at {when}. {after}"


@dataclass(frozen=True)
class Lost:
    """Something that a session needs and that its owner's groups do not give any more."""

    reason: str
    before: str

    def message(self, when: str) -> str:
        """What the owner is told."""
        return f"{self.before} at {when}. Save your work; if this is a mistake, tell an admin."


def time_due(lease: LeaseRow, platform: Platform) -> Due | None:
    """The end of the session's time."""
    if lease.ends_at is None or lease.started is None:
        return None
    length = lease.ends_at - lease.started
    spoken = spoken_length(length)
    verb = "is" if spoken.startswith("1 ") and spoken.count(" ") == 1 else "are"
    return Due(
        lease,
        Topic.TIME,
        lease.ends_at,
        _warning(platform, length),
        reason=f"its {spoken} {verb} over",
        before=f"The {spoken} of {spoken_session(lease)} {verb} nearly over: it is stopped",
        after="Save your work. This cannot be put off any more; an admin can grant an extension.",
        after_if_kept="Save your work, or keep it for 30 minutes more.",
    )


def idle_due(lease: LeaseRow, platform: Platform) -> Due | None:
    """The moment up to which nothing runs in the session and nobody uses it."""
    if lease.idle_stop_at is None or lease.idle_minutes is None:
        return None
    since, length = lease.last_activity or lease.started, timedelta(minutes=lease.idle_minutes)
    used = f" since {spoken_time(since, platform.zone)}" if since else ""
    session = spoken_session(lease, capital=True)
    return Due(
        lease,
        Topic.IDLE,
        lease.idle_stop_at,
        _warning(platform, length),
        reason=f"idle for {_in_minutes(length)}",
        before=f"{session} has not been used{used} and nothing runs in it: unless that changes, it is stopped",
        after_if_kept="Keep it for 30 minutes more if you need it.",
    )


def quota_due(lease: LeaseRow) -> Due | None:
    """The end of the grace after a limit was used up, which its renewal has set and told."""
    if lease.quota_stop_at is None:
        return None
    return Due(
        lease,
        Topic.QUOTA,
        lease.quota_stop_at,
        timedelta(0),
        reason=f"limit {lease.quota_stop_name} used up",
        before="",
        is_hard=True,
        is_announced=True,
    )


def closure_due(lease: LeaseRow, closures: Iterable[Closure], platform: Platform) -> Due | None:
    """The first moment at which the session's site closes for what runs there."""
    here = [(each.stops_at, each) for each in closures if each.site == lease.site and each.stops_at is not None]
    if not here:
        return None
    stops_at, closure = min(here, key=lambda pair: (pair[0], pair[1].id))
    title = platform.sites[closure.site].title if closure.site in platform.sites else closure.site
    how = "is drained" if closure.reopens is None else f"is closed until {spoken_time(closure.reopens, platform.zone)}"
    reason = f"{title} {how}: {closure.reason.rstrip('.')}"
    return Due(
        lease,
        Topic.CLOSURE,
        stops_at,
        max(timedelta(0), min(platform.admission.notice, stops_at - closure.created)),
        reason=reason,
        before=f"{reason}. {spoken_session(lease, capital=True)} there is stopped",
        after="Save your work before.",
        is_hard=True,
        is_told_early=True,
        source=closure_mark(closure.id),
    )


def stopped_for_group(lease: LeaseRow, platform: Platform) -> bool:
    """Whether the session needs its owner to be in some group."""
    profile, site = platform.profiles.get(lease.profile), platform.sites.get(lease.site or "")
    is_open = (profile is None or EVERYBODY in profile.groups) and (site is None or EVERYBODY in site.groups)
    return bool(_payers(lease, platform)) or lease.allowed_stop_at is not None or not is_open


def _payers(lease: LeaseRow, platform: Platform) -> list[str]:
    """The group that pays for the session; none where it is charged to one on whose account nothing is counted."""
    return chargeable_groups(platform, [lease.charge_to]) if lease.charge_to is not None else []


def lost_group(lease: LeaseRow, groups: frozenset[str], platform: Platform) -> Lost | None:
    """What the session needs and these groups of its owner do not give; None when nothing is missing."""
    session = spoken_session(lease)
    for payer in _payers(lease, platform):
        if payer in groups:
            continue
        group = spoken_subject(subject_of_pool(payer))
        return Lost(
            f"{lease.owner} is no longer in {group}",
            f"You are no longer in {group}, which {session} is charged to: it is stopped",
        )
    profile, site = platform.profiles.get(lease.profile), platform.sites.get(lease.site or "")
    if profile is not None and not profile_is_for(profile, groups):
        return _closed_to(lease, f"profile {profile.title}")
    if site is not None and EVERYBODY not in site.groups and not groups.intersection(site.groups):
        return _closed_to(lease, site.title)
    return None


def _closed_to(lease: LeaseRow, what: str) -> Lost:
    return Lost(
        f"{what} is not open to the groups of {lease.owner} any more",
        f"{what[0].upper()}{what[1:]} is not open to your groups any more: {spoken_session(lease)} is stopped",
    )


def _warning(platform: Platform, length: timedelta) -> timedelta:
    """How long before a stop it is announced: half the time of a session that is too short for the whole notice."""
    return min(platform.admission.notice, length / 2)


def spoken_length(length: timedelta) -> str:
    """``12 hours``, ``1 hour``, ``90 minutes``, ``2 hours 20 minutes``; ``45 seconds`` where it is that short."""
    seconds = round(length.total_seconds())
    if seconds < 60:
        return _counted(seconds, "second")
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours == 1 and minutes == 0:
        return "1 hour"
    if hours < 2:
        return _counted(hours * 60 + minutes, "minute")
    return _counted(hours, "hour") + (f" {_counted(minutes, 'minute')}" if minutes else "")


def _in_minutes(length: timedelta) -> str:
    minutes = round(length.total_seconds() / 60)
    return _counted(minutes, "minute") if minutes else spoken_length(length)


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"
