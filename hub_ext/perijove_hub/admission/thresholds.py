"""Warnings at the thresholds of limits over time: whom they are for, and what they say. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from perijove.models import Topic
from perijove_hub.admission.limits import Standing
from perijove_hub.ledger.metering import amounts
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.notices import NewNotice
from perijove_hub.ledger.quota import Limit, passed_thresholds
from perijove_hub.ledger.words import spoken_amount, spoken_subject, spoken_window

#: How long the warning of a rolling window stands: it has no period of its own that would end.
ROLLING_STANDS = timedelta(days=1)


def windowed_limits(standing: Standing, lease: LeaseRow) -> list[Limit]:
    """The limits over time that bind a lease where it runs."""
    limits = (*standing.general, *standing.by_site.get(lease.site or "", ()))
    return [limit for limit in limits if limit.is_windowed]


def threshold_notices(standing: Standing, lease: LeaseRow) -> Iterable[NewNotice]:
    """One notice for the highest threshold that is reached of each limit: to the owner, or to the members of a pool.

    ``standing`` does not count the lease itself. The limits of sites and of the platform are the admins' to watch.
    """
    for limit in windowed_limits(standing, lease):
        kind, _, name = limit.subject.partition(":")
        use = standing.uses[limit]
        reached = passed_thresholds(limit, replace(use, reserved=use.reserved + lease_use(lease, limit, standing.now)))
        if not reached or limit.span is None or limit.void or kind not in ("user", "group", "class"):
            continue
        used = use.used + lease_use(lease, limit, standing.now)
        of = "your" if kind == "user" else f"the {spoken_subject(limit.subject)}'s"
        amount = f"{spoken_amount(used)} of {spoken_amount(limit.limit)} {limit.unit}"
        yield NewNotice(
            # a rolling window has no period of its own to begin anew with: it warns once a day
            key=f"quota:{limit.name}:{limit.subject}:{limit.span.start:%Y-%m-%d}:{limit.limit}:{reached[-1]}",
            topic=Topic.QUOTA,
            severity="warning",
            message=f"{amount} of {of} limit {limit.name} are used or reserved{spoken_window(limit.window)}.",
            owner=lease.owner if kind == "user" else None,
            groups=() if kind == "user" else (limit.subject if kind == "class" else name,),
            expires=limit.span.end or standing.now + ROLLING_STANDS,
        )


def lease_use(lease: LeaseRow, limit: Limit, now: datetime) -> float:
    """What is reserved for a lease beyond now, of a limit over time."""
    reserved = max(timedelta(0), (lease.reserved_until or now) - now)
    return amounts(lease.resources, lease.price, reserved.total_seconds() / 3600).of(limit.resource)
