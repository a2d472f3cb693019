"""What an inventory proves: which leases stand for nothing, and which attempts stand behind no lease.

Pure functions over what is on record; the controller applies :func:`dead_leases`, the hub carries out
:func:`attempts_to_remove`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from perijove.models import Inventory, Kind, LeaseState, SeenAttempt
from perijove_hub.ledger.models import LeaseRow, SiteRow


@dataclass(frozen=True)
class DeadLease:
    """A lease that ends, when it ended, and why."""

    lease: LeaseRow
    state: LeaseState
    ended: datetime
    reason: str


def dead_leases(
    leases: Iterable[LeaseRow],
    sites: Mapping[str, SiteRow],
    gateways: Mapping[str, SiteRow],
    now: datetime,
    margin: timedelta,
) -> list[DeadLease]:
    """The leases that the controller closes now.

    An offer that nobody took up has expired. A lease that says it is on a site is closed when a later inventory of
    that site, taken while the site was reachable, does not hold its attempt. A site that does not answer proves
    nothing: unknown is not stopped. Neither does an inventory about a lease that moved within ``margin`` before it or
    later: the clocks of hub and control may differ by that much. Of clusters the inventories of ``gateways`` tell, by
    site.
    """
    dead = []
    for lease in leases:
        if lease.state is LeaseState.OFFERED:
            if not lease.is_open(now):
                dead.append(DeadLease(lease, LeaseState.EXPIRED, lease.expires, "the offer was not taken up in time"))
            continue
        is_cluster = lease.kind is Kind.CLUSTER
        site = (gateways if is_cluster else sites).get(lease.site or "")
        if site is None or not _proves(site, lease.changed, margin):
            continue
        if any(attempt.attempt_id == lease.attempt_id for attempt in site.attempts):
            continue  # an orphan too: it holds what it holds until the hub, which was asked to, has removed it
        # it was there when it last moved, whatever an inventory from before says
        last_seen = max(lease.last_seen or lease.changed, lease.changed)
        if lease.reason is not None:
            # it was asked to stop, and has; the spawner's own word for that is late or lost
            dead.append(DeadLease(lease, LeaseState.ENDED, last_seen, lease.reason))
            continue
        reason = f"the gateway of {site.name} does not know it" if is_cluster else f"{site.name} runs it no longer"
        dead.append(DeadLease(lease, LeaseState.FAILED, last_seen, reason))
    return dead


def attempts_to_remove(
    inventory: Inventory, known: Mapping[str, tuple[LeaseState, datetime]], margin: timedelta
) -> list[str]:
    """The attempts of an inventory that have no business to run.

    ``known`` gives state and time of the last change of the lease behind each attempt. One that neither a lease nor
    the hub knows goes. So does one whose lease ended before the inventory was taken, and an orphan of an open lease,
    which is closed once the orphan is gone.
    """
    return [seen.attempt_id for seen in inventory.attempts if _must_go(seen, inventory.observed_at - margin, known)]


def _must_go(seen: SeenAttempt, settled_at: datetime, known: Mapping[str, tuple[LeaseState, datetime]]) -> bool:
    if seen.attempt_id not in known:
        # the hub has a server for it, so a ledger that does not know it is the one that lacks something
        return not seen.owned
    state, changed = known[seen.attempt_id]
    if changed > settled_at:
        return False  # it moved while the inventory was on its way; the next one will tell
    return not seen.owned or not state.is_open


def _proves(site: SiteRow, changed: datetime, margin: timedelta) -> bool:
    return bool(site.reachable) and site.observed_at is not None and changed <= site.observed_at - margin
