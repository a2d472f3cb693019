"""What admins may say: the rules of overrides, closures and announcements. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from perijove.models import Closure, ClosureRequest, OverrideRequest
from perijove_hub.admission.models import refuse
from perijove_hub.ledger.binding import subject_of_pool
from perijove_hub.ledger.windows import days_span
from perijove_hub.policy.limits import CLASS_PREFIX, Allocation, Quota
from perijove_hub.policy.models import EVERYBODY, Platform

#: What is said today is looked at again within this time.
LONGEST = timedelta(days=731)


class Window(NamedTuple):
    """The times of a closure."""

    starts: datetime
    stops_at: datetime | None
    reopens: datetime | None


def check_expiry(expires: datetime, now: datetime) -> None:
    """Whatever admins say ends.

    Raises:
        Refused: the end has passed, or lies too far ahead.
    """
    if expires <= now:
        raise refuse(422, "Over already", "expires: lies in the past; say a time to come.")
    _check_ahead("expires", expires, now)


def check_override(platform: Platform, request: OverrideRequest, now: datetime) -> None:
    """An override fits a limit of the platform file, and somebody whom that limit binds.

    Raises:
        Refused: it names no limit, or a subject that is not the limit's, or its time is wrong.
    """
    check_expiry(request.expires, now)
    quota = next((quota for quota in platform.quotas if quota.name == request.quota), None)
    allocation = next((each for each in platform.allocations if each.key == request.quota), None)
    if quota is not None:
        _check_subject_of_quota(platform, quota, request.subject)
    elif allocation is not None:
        _check_subject_of_allocation(allocation, request.subject)
        _check_time_of_allocation(platform, allocation, request, now)
    else:
        names = [quota.name for quota in platform.quotas] + [each.key for each in platform.allocations]
        known = f"choose from {', '.join(sorted(names))}" if names else "the platform file has no limits"
        raise refuse(422, "No such limit", f"quota: there is no limit {request.quota!r}; {known}.")


def _check_subject_of_quota(platform: Platform, quota: Quota, subject: str) -> None:
    kind, _, name = subject.partition(":")
    if kind != quota.per or name.startswith(CLASS_PREFIX):
        expected = "platform" if quota.per == "platform" else f"{quota.per}:NAME"
        raise refuse(422, "Wrong subject", f"subject: limit {quota.name} is per {quota.per}; expected {expected}.")
    if kind == "site" and name not in platform.sites:
        raise refuse(422, "No such site", f"subject: there is no site {name!r}; choose from {_listed(platform.sites)}.")
    bound = quota.applies_to.sites if kind == "site" else quota.applies_to.groups
    # whether a user is in these groups is known when the user asks
    member = subject if kind == "class" else name
    if kind in ("site", "group", "class") and EVERYBODY not in bound and member not in bound:
        raise refuse(422, "Wrong subject", f"subject: limit {quota.name} binds {_listed(bound)}, not {member!r}.")


def _check_subject_of_allocation(allocation: Allocation, subject: str) -> None:
    expected = subject_of_pool(allocation.group)
    if subject != expected:
        raise refuse(422, "Wrong subject", f"subject: allocation {allocation.key} is granted to {expected}.")


def _check_time_of_allocation(
    platform: Platform, allocation: Allocation, request: OverrideRequest, now: datetime
) -> None:
    """Another amount is of use only while the allocation is."""
    span = days_span(allocation.start, allocation.end, platform.zone)
    if span.end is not None and span.end <= now:
        ended = f"quota: allocation {allocation.key} ended on {allocation.end}"
        raise refuse(422, "Allocation over", f"{ended}; grant another one in the platform file, or change its end.")
    if request.expires <= span.start:
        begins = f"quota: allocation {allocation.key} begins on {allocation.start}"
        raise refuse(422, "Allocation not begun", f"{begins}, after this expires.")


def closure_window(platform: Platform, request: ClosureRequest, now: datetime) -> Window:
    """The times of a closure in order; a start that has passed, or is absent, is now.

    Raises:
        Refused: there is no such site, or the times are not in order.
    """
    if request.site not in platform.sites:
        known = _listed(platform.sites)
        raise refuse(422, "No such site", f"site: there is no site {request.site!r}; choose from {known}.")
    starts = max(now, request.starts or now)
    _check_ahead("starts", starts, now)
    stops_at, reopens = request.stops_at, request.reopens
    if stops_at is not None:
        # who says "now" says it with a clock of their own
        if stops_at < now - timedelta(seconds=platform.admission.clock_margin_seconds):
            raise refuse(422, "Over already", "stops_at: lies in the past; sessions can be stopped from now on.")
        stops_at = max(now, stops_at)
        _check_ahead("stops_at", stops_at, now)
        if stops_at < starts:
            raise refuse(422, "Times not in order", "stops_at: lies before starts; sessions started in between.")
    if reopens is not None:
        _check_ahead("reopens", reopens, now)
        if reopens <= starts:
            raise refuse(422, "Times not in order", "reopens: lies before starts; say when it takes starts again.")
        if stops_at is not None and reopens < stops_at:
            raise refuse(422, "Times not in order", "reopens: lies before stops_at; an open site stops nothing.")
    return Window(starts, stops_at, reopens)


def check_overlap(window: Window, site: str, others: Iterable[Closure]) -> None:
    """A site has one closure at a time, so that it is clear when it opens.

    Raises:
        Refused: another one of the site overlaps; the answer has its id.
    """
    for other in others:
        begins_before_its_end = other.reopens is None or window.starts < other.reopens
        ends_after_its_start = window.reopens is None or other.starts < window.reopens
        if other.site == site and begins_before_its_end and ends_after_its_start:
            detail = f"Closure {other.id} of site {site} overlaps; withdraw it first, or choose other times."
            raise refuse(409, "Closed already", detail)


def _check_ahead(name: str, moment: datetime, now: datetime) -> None:
    if moment > now + LONGEST:
        raise refuse(422, "Too far ahead", f"{name}: lies more than two years ahead.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
