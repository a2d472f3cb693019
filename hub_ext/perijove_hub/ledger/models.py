"""What the ledger says of a lease and a site: rows with types."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from perijove.models import Kind, Lease, LeaseOffer, LeaseState, Price, Resources, SeenAttempt


@dataclass(frozen=True)
class LeaseRow:
    """One row of the table of leases."""

    id: str
    attempt_id: str
    owner: str
    kind: Kind
    name: str
    profile: str
    state: LeaseState
    site: str | None
    resources: Resources
    without_home: bool
    offer: LeaseOffer
    price: Price | None
    created: datetime
    expires: datetime
    changed: datetime
    started: datetime | None
    last_seen: datetime | None
    ended: datetime | None
    reason: str | None

    def is_open(self, now: datetime) -> bool:
        """Whether the lease holds its resources. An offer past its time does not, swept or not."""
        if self.state is LeaseState.OFFERED:
            return now < self.expires
        return self.state.is_open

    def cost(self, now: datetime) -> float:
        """Resources times the price at the start, for the time from active to the end, or to now."""
        if self.started is None or self.price is None:
            return 0.0
        hours = max(0.0, ((self.ended or now) - self.started).total_seconds() / 3600)
        hourly = (
            self.resources.cpu * self.price.cpu_hour
            + self.resources.memory_gib * self.price.memory_gib_hour
            + self.resources.gpu * self.price.gpu_hour
        )
        return round(hours * hourly, 6)

    def said(self, now: datetime) -> Lease:
        """The lease as it goes over the wire."""
        expired = self.state is LeaseState.OFFERED and not self.is_open(now)
        return Lease(
            id=self.id,
            attempt_id=self.attempt_id,
            owner=self.owner,
            kind=self.kind,
            name=self.name,
            # an offer counts on its first candidate, but runs nowhere yet
            site=None if self.state is LeaseState.OFFERED else self.site,
            state=LeaseState.EXPIRED if expired else self.state,
            resources=self.resources,
            created=self.created,
            started=self.started,
            ended=self.ended,
            reason=self.reason,
            cost=self.cost(now),
            explanation=self.offer.explanation,
        )


@dataclass(frozen=True)
class SiteRow:
    """What is known of a site: its last inventory, and how its last starts went."""

    name: str
    observed_at: datetime | None = None
    received_at: datetime | None = None
    reachable: bool | None = None
    attempts: tuple[SeenAttempt, ...] = ()
    failed_owners: tuple[str, ...] = ()
    out_until: datetime | None = None
