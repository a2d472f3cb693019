"""The arithmetic of limits: whether one more workload fits, for how long, and how that is said.

Pure: what is held, what was used and the time are passed in. Which limits bind whom is in ``binding``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from perijove.models import Kind, QuotaView, Resources
from perijove_hub.ledger.metering import Amounts
from perijove_hub.ledger.windows import Span
from perijove_hub.ledger.words import spoken_amount, spoken_subject, spoken_time, spoken_window
from perijove_hub.policy.limits import CONCURRENT, WINDOWED

#: Credits are told in the platform's currency.
UNITS = {
    "sessions": "sessions",
    "clusters": "clusters",
    "cpu": "cores",
    "memory_gib": "GiB",
    "gpu": "GPUs",
    "home_gib": "GiB in the home",
    "cpu_hours": "core hours",
    "memory_gib_hours": "GiB hours",
    "gpu_hours": "GPU hours",
}

#: Sums of floats that were admitted one by one must not refuse the last that fits.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Held:
    """What the open leases of one subject hold together."""

    sessions: int = 0
    clusters: int = 0
    cpu: float = 0.0
    memory_gib: float = 0.0
    gpu: int = 0

    def __add__(self, other: Held) -> Held:
        """The sum."""
        return Held(
            self.sessions + other.sessions,
            self.clusters + other.clusters,
            self.cpu + other.cpu,
            self.memory_gib + other.memory_gib,
            self.gpu + other.gpu,
        )

    def of(self, resource: str) -> float:
        """The held amount of a quota's resource."""
        return float(getattr(self, resource))


@dataclass(frozen=True)
class Limit:
    """One limit that binds one subject now: a quota, an allocation, or what an admin put in its place.

    ``void`` says why nothing may be used of it at all, as an allocation that has ended; ``override`` who changed it.
    """

    name: str
    per: str
    subject: str
    resource: str
    unit: str
    limit: float
    window: str | None = None
    span: Span | None = None
    warn_at: tuple[float, ...] = ()
    on_exhaustion: Literal["deny", "stop"] = "deny"
    grace: timedelta = timedelta(minutes=15)
    override: str | None = None
    void: str | None = None

    @property
    def is_windowed(self) -> bool:
        """Whether it limits use over time, and not what is held at once."""
        return self.resource in WINDOWED


@dataclass(frozen=True)
class Use:
    """What is used of a limit: ``spent`` for good or held now, and ``reserved`` for the rest of running slices.

    ``per_hour`` is what runs now uses of it in an hour, where that is known.
    """

    spent: float = 0.0
    reserved: float = 0.0
    per_hour: float = 0.0

    @property
    def used(self) -> float:
        """Both together: what is not left for others."""
        return self.spent + self.reserved


@dataclass(frozen=True)
class Need:
    """What a workload needs: at once, and per hour while it runs."""

    at_once: Held
    per_hour: Amounts
    kind: Kind = Kind.SESSION

    @classmethod
    def of(cls, kind: Kind, resources: Resources, per_hour: Amounts) -> Need:
        """What one session, or one cluster, of these resources needs."""
        sessions, clusters = int(kind is Kind.SESSION), int(kind is Kind.CLUSTER)
        return cls(Held(sessions, clusters, resources.cpu, resources.memory_gib, resources.gpu), per_hour, kind)


@dataclass(frozen=True)
class OverLimit:
    """A limit that a workload would pass. ``frees_at`` is when it would fit, if anybody can tell."""

    limit: Limit
    used: float
    needed: float
    frees_at: datetime | None = None
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    kind: Kind = Kind.SESSION

    @property
    def _smaller(self) -> str:
        return "smaller workers, or fewer" if self.kind is Kind.CLUSTER else "a smaller profile"

    @property
    def never_fits(self) -> bool:
        """Whether it would not fit even if nothing were used."""
        return self.needed > self.limit.limit + TOLERANCE

    @property
    def detail(self) -> str:
        """The refusal in plain words: which limit, how much is used, when it frees and what to do."""
        limit = self.limit
        if limit.void:
            return f"{limit.void} Choose another group to charge, or ask an admin for a new allocation."
        of = "" if limit.per == "user" else f" of {spoken_subject(limit.subject)}"
        if self.never_fits:
            allows = f"allows {spoken_amount(limit.limit)} {limit.unit}{spoken_window(limit.window)}"
            needs = f"{spoken_amount(self.needed)} {'is' if self.needed == 1 else 'are'} needed at least"
            advice = f"Choose {self._smaller}, or ask an admin for an extension."
            return f"Limit {limit.name}{of} {allows}, and {needs}. {advice}"
        used = (
            f"{spoken_amount(self.used)} of {spoken_amount(limit.limit)} {limit.unit} used{spoken_window(limit.window)}"
        )
        if limit.is_windowed:
            when = f" It fits again from {spoken_time(self.frees_at, self.zone)} on." if self.frees_at else ""
            return (
                f"Limit {limit.name}{of} reached: {used}.{when} "
                f"Choose {self._smaller}, or ask an admin for an extension."
            )
        when = f" The next one ends by {spoken_time(self.frees_at, self.zone)}." if self.frees_at else ""
        if limit.per != "user":
            return f"Limit {limit.name}{of} reached: {used}.{when} Wait until a server of it ends."
        if limit.resource in ("sessions", "clusters"):
            thing = "server" if limit.resource == "sessions" else "cluster"
            return f"Limit {limit.name} reached: {used}.{when} Stop a running {thing}, then start this one."
        return (
            f"Limit {limit.name} would be passed: {used}, and {spoken_amount(self.needed)} more "
            f"{'is' if self.needed == 1 else 'are'} needed.{when} "
            f"Stop a running server or choose {self._smaller}."
        )


def first_over(
    limits: Iterable[Limit],
    uses: Mapping[Limit, Use],
    need: Need,
    least_hours: float,
    zone: ZoneInfo,
    frees_at: Callable[[Limit], datetime | None] = lambda limit: limit.span.end if limit.span else None,
) -> OverLimit | None:
    """The first limit that a workload would pass, or None when it fits all of them.

    A limit over time is passed when less than ``least_hours`` of the workload fit in it. A limit that is passed
    already, since it was lowered, refuses only what asks for more of it.
    """
    for limit in limits:
        used, needed = uses[limit].used, _needed(limit, need, least_hours)
        if needed > 0 and used + needed > limit.limit + TOLERANCE:
            return OverLimit(limit, used, needed, frees_at(limit), zone, need.kind)
    return None


def hours_that_fit(limits: Iterable[Limit], uses: Mapping[Limit, Use], need: Need, most_hours: float) -> float:
    """For how long a workload fits in all limits over time, at most ``most_hours``; 0 when it does not fit at all."""
    hours = most_hours
    for limit in limits:
        rate = need.per_hour.of(limit.resource) if limit.is_windowed else 0.0
        if rate > 0:
            hours = min(hours, (limit.limit - uses[limit].used) / rate)
    return max(0.0, hours)


def view_limit(limit: Limit, use: Use, now: datetime | None = None) -> QuotaView:
    """A limit as its subject sees it, with a forecast from ``now`` on."""
    state: Literal["ok", "warning", "exhausted"] = "ok"
    if use.used >= limit.limit - TOLERANCE:
        state = "exhausted"
    elif limit.warn_at and use.used >= limit.warn_at[0] * limit.limit:
        state = "warning"
    return QuotaView(
        name=limit.name,
        resource=limit.resource,
        unit=limit.unit,
        limit=limit.limit,
        used=round(use.used, 6),
        reserved=round(use.reserved, 6),
        per=limit.per,
        subject=limit.subject,
        window=limit.window,
        window_start=limit.span.start if limit.span else None,
        window_end=limit.span.end if limit.span else None,
        warn_at=list(limit.warn_at),
        on_exhaustion=limit.on_exhaustion,
        empty_at=_empty_at(limit, use, now),
        override=limit.override,
        state=state,
    )


def passed_thresholds(limit: Limit, use: Use) -> list[float]:
    """The shares of the limit at which people are warned and that are reached."""
    return [share for share in limit.warn_at if limit.limit > 0 and use.used >= share * limit.limit - TOLERANCE]


def _needed(limit: Limit, need: Need, least_hours: float) -> float:
    if limit.is_windowed:
        return need.per_hour.of(limit.resource) * least_hours
    return need.at_once.of(limit.resource) if limit.resource in CONCURRENT else 0.0


def _empty_at(limit: Limit, use: Use, now: datetime | None) -> datetime | None:
    if now is None or use.per_hour <= 0 or not limit.is_windowed:
        return None
    empty = now + timedelta(hours=min(24 * 366.0, max(0.0, limit.limit - use.spent) / use.per_hour))
    return empty if limit.span is None or limit.span.end is None or empty < limit.span.end else None
