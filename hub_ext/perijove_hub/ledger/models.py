"""What the ledger says of a lease and a site: rows with types."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from perijove.models import Explanation, Kind, Lease, LeaseOffer, LeaseState, Price, Resources, SeenAttempt

#: For how long a session counts as busy after its last report; one that runs reports once a minute.
BUSY_LASTS = timedelta(minutes=5)

#: How the explanation of a lease ends that was written for a server which ran already.
TAKEN_UP = "taken up: it ran and the ledger did not know it"


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
    charge_to: str | None = None
    groups: tuple[str, ...] = ()
    metered_until: datetime | None = None
    reserved_until: datetime | None = None
    ends_at: datetime | None = None
    idle_minutes: float | None = None
    keeps_left: int = 0
    kept_until: datetime | None = None
    last_activity: datetime | None = None
    busy: bool = False
    quota_stop_at: datetime | None = None
    quota_stop_name: str | None = None
    allowed_stop_at: datetime | None = None
    log_tail: str | None = None
    resized: datetime | None = None
    cost_before: float = 0.0

    @property
    def cost_hour(self) -> float:
        """What it costs per hour at the price that is in force for it, in the platform's currency."""
        return self.price.hourly(self.resources) if self.price else 0.0

    @property
    def idle_stop_at(self) -> datetime | None:
        """When it is stopped because nothing runs in it, unless it reports use before; None: never.

        A session that has not said anything yet counts as used since it started, and one that was busy and has fallen
        silent as used when it said so: an extension that is broken must not make a session immortal.
        """
        since = self.last_activity or self.started
        if self.idle_minutes is None or since is None:
            return None
        length = timedelta(minutes=self.idle_minutes)
        idle = since + (max(length, BUSY_LASTS) if self.busy else length)
        return max(idle, self.kept_until) if self.kept_until else idle

    def is_busy(self, now: datetime) -> bool:
        """Whether code runs in it, as it has said a moment ago; while it is busy, its last activity is its report."""
        return self.busy and self.last_activity is not None and now - self.last_activity < BUSY_LASTS

    def is_open(self, now: datetime) -> bool:
        """Whether the lease holds its resources. An offer past its time does not, swept or not."""
        if self.state is LeaseState.OFFERED:
            return now < self.expires
        return self.state.is_open

    def cost(self, now: datetime) -> float:
        """Resources times the price at the start, for the time from active to the end, or to now.

        Of what holds other resources than before: what it had cost until then, and the time since.
        """
        if self.started is None or self.price is None:
            return 0.0
        since = max(self.started, self.resized or self.started)
        hours = max(0.0, ((self.ended or now) - since).total_seconds() / 3600)
        return round(self.cost_before + hours * self.cost_hour, 6)

    def said(self, now: datetime) -> Lease:
        """The lease as it goes over the wire."""
        expired = self.state is LeaseState.OFFERED and not self.is_open(now)
        may_idle = self.state is LeaseState.ACTIVE and not self.is_busy(now)
        return Lease(
            id=self.id,
            attempt_id=self.attempt_id,
            owner=self.owner,
            kind=self.kind,
            name=self.name,
            profile=self.profile,
            image=self.offer.spawn.image,
            charge_to=self.charge_to,
            # an offer counts on its first candidate, but runs nowhere yet
            site=None if self.state is LeaseState.OFFERED else self.site,
            state=LeaseState.EXPIRED if expired else self.state,
            resources=self.resources,
            created=self.created,
            started=self.started,
            ended=self.ended,
            reason=self.reason,
            cost=self.cost(now),
            cost_hour=round(self.cost_hour, 6),
            ends_at=self.ends_at,
            idle_stop_at=self.idle_stop_at if may_idle else None,
            quota_stop_at=self.quota_stop_at,
            allowed_stop_at=self.allowed_stop_at,
            keeps_left=self.keeps_left,
            explanation=self.explanation,
        )

    @property
    def explanation(self) -> Explanation:
        """Why it runs where it runs: the ranking, and which sites before its own did not start it."""
        ranked = self.offer.explanation
        tried = [candidate.site for candidate in self.offer.candidates]
        if self.state is LeaseState.OFFERED or self.site not in tried[1:]:
            return ranked
        place = tried.index(self.site)
        failed = " and ".join(candidate.title for candidate in self.offer.candidates[:place])
        summary = f"{self.offer.candidates[place].title}: {failed} did not start it. Ranked first was {ranked.summary}"
        return ranked.model_copy(update={"summary": summary})


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
