"""Leases: how a workload asks for a place, moves through its life, and is seen on its site."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field, field_validator

from .base import (
    Asked,
    AttemptId,
    HubName,
    ImageText,
    Moment,
    OwnerName,
    Price,
    Reason,
    Resources,
    Said,
    ServerName,
    Slug,
)


class Kind(StrEnum):
    """What a lease is for."""

    SESSION = "session"
    CLUSTER = "cluster"
    WORKER = "worker"
    JOB = "job"


class LeaseState(StrEnum):
    """The life of a lease; see section 6 of the design."""

    OFFERED = "offered"
    STARTING = "starting"
    ACTIVE = "active"
    ENDED = "ended"
    EXPIRED = "expired"
    FAILED = "failed"

    @property
    def is_open(self) -> bool:
        """Whether a lease in this state still holds its resources."""
        return self in OPEN_STATES


#: The states in which a lease counts against quotas and capacity.
OPEN_STATES = frozenset({LeaseState.OFFERED, LeaseState.STARTING, LeaseState.ACTIVE})


class SessionWish(Asked):
    """What a user may choose for a session: exactly the keys that ``user_options`` may hold."""

    profile: Slug | None = Field(default=None, description="a profile of the platform file; absent: the first allowed")
    datasets: list[Slug] = Field(default_factory=list, max_length=100, description="datasets to work with")
    charge_to: HubName | None = Field(default=None, description="the group whose allocation pays")
    site: Slug | None = Field(default=None, description="a site to insist on; absent: the platform chooses")
    without_home: bool = Field(default=False, description="start with scratch only, where the home is not mounted")
    image: ImageText | None = Field(
        default=None, description="the container image, where the profile lets its users name one; absent: the usual"
    )


class PlacementRequest(SessionWish):
    """A dry run of placement. ``owner`` and ``groups`` are for the hub, which asks on behalf of a user."""

    owner: OwnerName | None = None
    groups: list[HubName] | None = Field(default=None, max_length=10_000)


class LeaseRequest(SessionWish):
    """``POST leases``: asks for the right to start one workload. The attempt id is the idempotency key."""

    owner: OwnerName
    groups: list[HubName] = Field(default_factory=list, max_length=10_000)
    kind: Kind
    name: ServerName = Field(default="", description="the server's or cluster's name; empty for the default")
    attempt_id: AttemptId
    starting: bool = Field(
        default=False, description="the asker begins at the first candidate at once: the lease is `starting` there"
    )


class Candidate(Said):
    """One site that could run the workload. Higher ``score`` is better; ``reasons`` say why, in plain words.

    ``cost_hour`` is what the workload costs there per hour, in the platform's currency.
    """

    site: str
    title: str
    score: float
    reasons: list[str]
    cost_hour: float = 0.0


class Rejection(Said):
    """One site that cannot run the workload, and why not."""

    site: str
    title: str
    reasons: list[str]


class Explanation(Said):
    """Why a workload runs where it runs: kept with the lease and shown to user and admin in the same words."""

    summary: str
    candidates: list[Candidate] = Field(default_factory=list)
    rejected: list[Rejection] = Field(default_factory=list)


class SpawnSpec(Said):
    """What control decided about the workload itself; the hub follows it and adds nothing.

    ``rescue`` is true when the owner's home is full: the session starts without kernels, to look and to clean up.
    ``image_is_users`` is true when the owner has named the image.
    """

    resources: Resources
    image: str | None = None
    image_is_users: bool = False
    env: dict[str, str] = Field(default_factory=dict)
    mounts: list[str] = Field(default_factory=list)
    home_site: str | None = Field(default=None, description="where the home is; null: none yet, the site makes one")
    without_home: bool = False
    max_hours: float | None = None
    idle_minutes: float | None = None
    rescue: bool = False
    policy_version: str


class LeaseOffer(Said):
    """The 201 answer to ``POST leases``: try the candidates in order.

    With ``starting`` the lease is on record as starting at the first one, as was asked for. ``token`` is given to
    gateways: with it the workload reads data as its owner, until the lease is over.
    """

    id: str
    attempt_id: str
    candidates: list[Candidate]
    spawn: SpawnSpec
    explanation: Explanation
    starting: bool = False
    token: str | None = Field(default=None, repr=False)


class LeasePatch(Asked):
    """``PATCH leases/{id}``: a move of the lease by whoever starts the workload."""

    state: Literal["starting", "active", "ended"]
    site: Slug | None = Field(default=None, description="required with `starting`: the candidate being tried")
    reason: str | None = Field(default=None, max_length=2000, description="why it ended, in plain words")
    site_failed: bool = Field(
        default=False, description="the site that was being tried did not start it; three in a row take a site out"
    )
    log_tail: str | None = Field(
        default=None, max_length=8000, description="with `ended` after a failed start: the end of the server's log"
    )

    ended_at: AwareDatetime | None = Field(
        default=None, description="with `ended`: when it was over, where that is noticed late"
    )

    @field_validator("reason", "log_tail")
    @classmethod
    def _without_nul(cls, text: str | None) -> str | None:
        # a server may write anything; PostgreSQL keeps everything but this
        return text and text.replace("\x00", "\ufffd")


class Lease(Said):
    """The right of one workload to resources on one site. ``cost`` is so far, in the platform's currency.

    ``ends_at`` is when it is stopped because its time is over, ``idle_stop_at`` when it is stopped because nothing
    runs in it, ``quota_stop_at`` when it is stopped because a limit is used up, and ``allowed_stop_at`` when it is
    stopped because its owner is no longer in the group that it needs; null: it is not. ``keeps_left`` is how often the
    owner may still put off the end of the time.
    """

    id: str
    attempt_id: str
    owner: str
    kind: Kind
    name: str
    profile: str = ""
    image: str | None = Field(default=None, description="the container image it was admitted with; null: the site's")
    charge_to: str | None = None
    site: str | None
    state: LeaseState
    resources: Resources
    created: datetime
    started: datetime | None
    ended: datetime | None
    reason: str | None
    cost: float
    cost_hour: float = 0.0
    ends_at: datetime | None = None
    idle_stop_at: datetime | None = None
    quota_stop_at: datetime | None = None
    allowed_stop_at: datetime | None = None
    keeps_left: int = 0
    explanation: Explanation


class Activity(Asked):
    """``POST leases/{id}/activity``: what the user's server knows of its own idleness.

    ``last_activity`` is when somebody last did something in it: ran a cell, typed in a terminal, saved a file. An open
    tab that only polls does not count, nor does an open dashboard. ``busy`` is true while a kernel runs code.
    ``sent_at`` is the time by the clock that gave ``last_activity``: with it, a site's clock may be wrong.
    """

    last_activity: Moment
    busy: bool
    sent_at: Moment | None = None


class Silence(Asked):
    """``POST leases/{id}/silence``: since when the hub hears nothing of the machine that a session runs on."""

    since: Moment
    is_over: bool = Field(default=False, description="it is heard of again")


class KeepRequest(Asked):
    """``POST leases/{id}/keep``: the owner wants the session for some minutes more."""

    minutes: int = Field(default=30, ge=1, le=30)


class ExtendRequest(Asked):
    """``POST leases/{id}/extend``: an admin puts off the end of a session's time."""

    minutes: int = Field(ge=1, le=7 * 24 * 60)
    reason: Reason


class StopRequest(Asked):
    """``POST leases/{id}/stop``: an admin, or the owner, ends what runs. The owner need not say why."""

    reason: Reason | None = None


class GiveUpRequest(Asked):
    """``POST leases/{id}/give-up``: an admin says that a cluster is gone whose gateway cannot say so."""

    reason: Reason


class AttemptFacts(Asked):
    """What the hub knows of a server that control has no lease for, so that control can take it up.

    Sent with a ready server only. That happens when a ledger was restored from a backup, and after a start at the home
    site while control was down.
    """

    owner: OwnerName
    groups: list[HubName] = Field(default_factory=list, max_length=10_000)
    kind: Kind = Kind.SESSION
    name: ServerName = ""
    profile: Slug | None = None
    charge_to: HubName | None = None
    without_home: bool = False
    image: ImageText | None = Field(default=None, description="that it was started with; null: the site's")
    started: Moment


class SeenAttempt(Asked):
    """One attempt that a site shows. ``owned`` is false when the hub has no server for it: an orphan."""

    attempt_id: AttemptId
    owned: bool
    facts: AttemptFacts | None = Field(default=None, description="of a ready server, for control to take up")


class HomeSize(Asked):
    """How much one home directory holds, measured on its site."""

    owner: HubName
    used_bytes: int = Field(ge=0, le=2**62)
    measured_at: Moment


class Inventory(Asked):
    """``PUT sites/{site}/inventory``: what a site runs, as seen at ``observed_at`` by who holds its credentials.

    An attempt that a site shows twice is one attempt, and owned when one of the two is.
    """

    observed_at: Moment
    reachable: bool
    attempts: list[SeenAttempt] = Field(default_factory=list, max_length=100_000)
    homes: list[HomeSize] = Field(default_factory=list, max_length=100_000)

    @field_validator("attempts")
    @classmethod
    def _each_once(cls, attempts: list[SeenAttempt]) -> list[SeenAttempt]:
        seen: dict[str, SeenAttempt] = {}
        # of two that differ, the one that says most comes last; the order of the list stays
        for each in sorted(attempts, key=lambda each: (each.owned, each.facts is not None)):
            seen[each.attempt_id] = each
        return [seen[attempt_id] for attempt_id in dict.fromkeys(each.attempt_id for each in attempts)]


class InventoryAnswer(Said):
    """Attempts that no open lease stands behind: the hub removes them from the site.

    ``adopted`` maps attempts that control has taken up to their new lease ids.
    """

    remove: list[str]
    adopted: dict[str, str] = Field(default_factory=dict)


class FailedStart(Said):
    """One start that did not become a session: a refusal, or a server that did not come up.

    ``log_tail`` is the end of the server's log where there is one.
    """

    attempt_id: str
    owner: str
    name: str
    at: datetime
    title: str
    detail: str
    profile: str | None
    site: str | None
    explanation: Explanation | None
    log_tail: str | None


__all__ = [
    "OPEN_STATES", "Activity", "AttemptFacts", "Candidate", "Explanation", "ExtendRequest", "FailedStart", "HomeSize",
    "Inventory", "InventoryAnswer", "KeepRequest", "Kind", "Lease", "LeaseOffer", "LeasePatch", "LeaseRequest",
    "LeaseState", "PlacementRequest", "Price", "Rejection", "SeenAttempt", "SessionWish", "SpawnSpec",
    "StopRequest",
]  # fmt: skip
