"""What goes over the wire, modelled once.

The hub's services answer with these models and the user's server reads them, so this module stays on the light
side: it imports pydantic and nothing of ours. Two base classes tell which way a message travels:

- :class:`Asked` is what a client sends. Unknown keys are refused, so that a misspelt option is an error and not a
  silent default.
- :class:`Said` is what a service answers. A reader ignores keys it does not know, so that a user's image may be older
  than the platform.

Times are timezone-aware datetimes, written as ISO 8601 in UTC. Sizes are bytes or GiB as the name says. Money is in
the platform's currency.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

#: A name that goes into paths, labels and file names: lower-case letters, digits and dashes, as a DNS label.
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]

#: The id of one try to start one workload: 32 hexadecimal digits.
AttemptId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]

#: A name that the hub gives: a user, a group or a named server. Printable, without control characters.
HubName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Asked(BaseModel):
    """What a client sends: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Said(BaseModel):
    """What a service answers: unknown keys are ignored by older readers."""

    model_config = ConfigDict(extra="ignore", frozen=True)


Item = TypeVar("Item")


class Page(Said, Generic[Item]):
    """One page of a list; ``next`` is the URL of the following page, or null on the last."""

    items: list[Item]
    next: str | None = None


class Problem(Said):
    """An error as RFC 9457 ``application/problem+json``.

    A refusal by quota adds which ``limit``, how much is ``used``, in which ``unit``, and when it ``frees_at``.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    limit: float | None = None
    used: float | None = None
    unit: str | None = None
    frees_at: datetime | None = None


class Resources(Asked):
    """What one workload may use at once."""

    cpu: float = Field(gt=0, le=10_000, description="CPU cores")
    memory_gib: float = Field(gt=0, le=100_000, description="memory in GiB")
    gpu: int = Field(default=0, ge=0, le=10_000, description="GPUs")


class Price(Asked):
    """Prices per hour of one unit, in the platform's currency."""

    cpu_hour: float = Field(default=0.0, ge=0)
    memory_gib_hour: float = Field(default=0.0, ge=0)
    gpu_hour: float = Field(default=0.0, ge=0)


# --- leases -------------------------------------------------------------------------------------------------------


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


class PlacementRequest(SessionWish):
    """A dry run of placement. ``owner`` and ``groups`` are for the hub, which asks on behalf of a user."""

    owner: HubName | None = None
    groups: list[HubName] | None = Field(default=None, max_length=10_000)


class LeaseRequest(SessionWish):
    """``POST leases``: asks for the right to start one workload. The attempt id is the idempotency key."""

    owner: HubName
    groups: list[HubName] = Field(default_factory=list, max_length=10_000)
    kind: Kind
    name: str = Field(default="", max_length=255, description="the server's or cluster's name; empty for the default")
    attempt_id: AttemptId


class Candidate(Said):
    """One site that could run the workload. Higher ``score`` is better; ``reasons`` say why, in plain words."""

    site: str
    title: str
    score: float
    reasons: list[str]


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
    """What control decided about the workload itself; the hub follows it and adds nothing."""

    resources: Resources
    image: str | None = None
    env: dict[str, str] = Field(default_factory=dict)
    mounts: list[str] = Field(default_factory=list)
    home_site: str | None = Field(default=None, description="where the home is; null: none yet, the site makes one")
    without_home: bool = False
    max_hours: float | None = None
    policy_version: str


class LeaseOffer(Said):
    """The 201 answer to ``POST leases``: try the candidates in order."""

    id: str
    attempt_id: str
    candidates: list[Candidate]
    spawn: SpawnSpec
    explanation: Explanation


class LeasePatch(Asked):
    """``PATCH leases/{id}``: a move of the lease by whoever starts the workload."""

    state: Literal["starting", "active", "ended"]
    site: Slug | None = Field(default=None, description="required with `starting`: the candidate being tried")
    reason: str | None = Field(default=None, max_length=2000, description="why it ended, in plain words")
    site_failed: bool = Field(
        default=False, description="the site that was being tried did not start it; three in a row take a site out"
    )


class Lease(Said):
    """The right of one workload to resources on one site. ``cost`` is so far, in the platform's currency."""

    id: str
    attempt_id: str
    owner: str
    kind: Kind
    name: str
    site: str | None
    state: LeaseState
    resources: Resources
    created: datetime
    started: datetime | None
    ended: datetime | None
    reason: str | None
    cost: float
    explanation: Explanation


class SeenAttempt(Asked):
    """One attempt that a site shows. ``owned`` is false when the hub has no server for it: an orphan."""

    attempt_id: AttemptId
    owned: bool


class Inventory(Asked):
    """``PUT sites/{site}/inventory``: what a site runs, as seen at ``observed_at`` by who holds its credentials."""

    observed_at: datetime
    reachable: bool
    attempts: list[SeenAttempt] = Field(default_factory=list, max_length=100_000)


class InventoryAnswer(Said):
    """Attempts that no open lease stands behind: the hub removes them from the site."""

    remove: list[str]


# --- what a user may use ------------------------------------------------------------------------------------------


class SiteView(Said):
    """A site as its users see it. ``load`` is the share of the busiest resource that open leases hold, 0 to 1."""

    name: str
    title: str
    kind: str
    region: str
    health: Literal["up", "down", "unknown"]
    load: float
    price: Price
    capacity: Resources
    homes: bool


class ProfileView(Said):
    """A profile with whether this user may take it, and if not, why not."""

    name: str
    title: str
    description: str
    resources: Resources
    max_hours: float | None
    idle_minutes: int | None
    allowed: bool
    reason: str | None


class QuotaView(Said):
    """One limit and how much of it this user holds. ``warning`` starts at the first threshold of the quota."""

    name: str
    resource: str
    unit: str
    limit: float
    used: float
    per: str
    window: str | None = None
    window_end: datetime | None = None
    state: Literal["ok", "warning", "exhausted"]


class Placement(Said):
    """The answer of a dry run: where a session would start now, and why."""

    allowed: bool
    reason: str | None = Field(default=None, description="why a lease would be refused now, if it would")
    candidates: list[Candidate]
    rejected: list[Rejection]
    summary: str


# --- data ---------------------------------------------------------------------------------------------------------


class Replica(Said):
    """One copy of a dataset, ranked for the caller's site: 0 is the nearest."""

    id: str
    site: str | None
    region: str
    url: str = Field(description="s3://bucket/prefix/")
    endpoint: str | None = Field(description="the store's address; null for the cloud's default")
    rank: int
    egress_cost: float = Field(description="what moving all of it to the caller's site would cost")


class Provider(Said):
    """Who made, processed or hosts a dataset, as STAC's provider object."""

    name: str
    roles: list[str] = Field(default_factory=list)
    url: str | None = None


class Dataset(Said):
    """A named collection of objects, with the fields of a STAC Collection that people look for."""

    id: str
    title: str
    description: str
    licence: str
    attribution: str | None = None
    doi: str | None = None
    keywords: list[str] = Field(default_factory=list)
    providers: list[Provider] = Field(default_factory=list)
    formats: list[str] = Field(default_factory=list)
    size_bytes: int | None = None
    extent: dict[str, Any] | None = Field(default=None, description="STAC extent: spatial bbox and temporal interval")
    delivery: Literal["direct", "proxied"]
    replicas: list[Replica]


class CredentialsRequest(Asked):
    """``POST datasets/{id}/credentials``. ``replica`` absent: the nearest."""

    replica: Slug | None = None


class Credentials(Said):
    """Short-lived, read-only access to one replica's prefix. With ``kind: anonymous`` there are no keys."""

    dataset: str
    replica: str
    kind: Literal["sts", "anonymous"]
    endpoint: str | None
    region: str
    bucket: str
    prefix: str
    access_key_id: str | None = None
    secret_access_key: str | None = Field(default=None, repr=False)
    session_token: str | None = Field(default=None, repr=False)
    expires: datetime | None = None


ObjectPath = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class PresignRequest(Asked):
    """``POST datasets/{id}/presign``: paths below the dataset, without a leading slash."""

    paths: list[ObjectPath] = Field(min_length=1, max_length=1000)
    replica: Slug | None = None


class PresignedPath(Said):
    """A URL that reads one object until ``expires`` of the answer, and nothing else."""

    path: str
    url: str = Field(repr=False)


class Presigned(Said):
    """The answer to a presign request, in the order of the paths asked for."""

    items: list[PresignedPath]
    expires: datetime


class TreeEntry(Said):
    """A file or a directory of a dataset; ``path`` is below the dataset and a directory's ends without a slash."""

    name: str
    path: str
    type: Literal["file", "directory"]
    size_bytes: int | None
    modified: datetime | None


class Preview(Said):
    """A look into one object without a download, and what the look has moved."""

    kind: Literal["image", "table", "tree", "text"]
    format: str
    title: str
    content: dict[str, Any]
    bytes_read: int
    requests: int
