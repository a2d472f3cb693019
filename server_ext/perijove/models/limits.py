"""What a user may use, what is used of it, and what admins and the platform say about it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base import PLAIN_TEXT, Asked, HubName, Moment, Price, Reason, Resources, Said, Slug
from .lease import Candidate, Rejection


class SiteView(Said):
    """A site as its users see it. ``load`` is the share of the busiest resource that open leases hold, 0 to 1.

    ``closed`` says why the site takes no starts now (drained, maintenance), or is null.
    """

    name: str
    title: str
    kind: str
    region: str
    health: Literal["up", "down", "unknown"]
    health_reason: str = ""
    load: float
    price: Price
    capacity: Resources
    homes: bool
    closed: str | None = None


class ProfileView(Said):
    """A profile with whether this user may take it, and if not, why not.

    ``cost_hour_least`` and ``cost_hour_most`` are what it costs per hour on the cheapest and the dearest site that the
    user may use. ``image`` is the container image of its sessions; null: the site's. ``user_images`` are regular
    expressions, one of which must match all of the name of an image that a user gives; ``user_images_help`` says in
    words what one may name. Both are empty where users name none.
    """

    name: str
    title: str
    description: str
    resources: Resources
    max_hours: float | None
    idle_minutes: float | None
    allowed: bool
    reason: str | None
    cost_hour_least: float = 0.0
    cost_hour_most: float = 0.0
    image: str | None = None
    user_images: list[str] = Field(default_factory=list)
    user_images_help: str = ""


class QuotaView(Said):
    """One limit and how much of it is used, as its subject sees it.

    ``subject`` is ``user:NAME``, ``group:NAME``, ``class:NAME``, ``site:NAME`` or ``platform``. ``reserved`` is the
    part of ``used`` that running sessions hold for the rest of their slices. ``window`` is null for what is held at
    once, else ``day``, ``week``, ``month``, ``quarter``, ``year``, a rolling length such as ``7d``, or ``allocation``.
    ``empty_at`` is when it will be used up if what runs now goes on; null: not within the window, or nothing runs.
    ``override`` says who changed the limit and until when.
    """

    name: str
    resource: str
    unit: str
    limit: float
    used: float
    reserved: float = 0.0
    per: str
    subject: str = ""
    window: str | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None
    warn_at: list[float] = Field(default_factory=list)
    on_exhaustion: Literal["deny", "stop"] = "deny"
    empty_at: datetime | None = None
    override: str | None = None
    state: Literal["ok", "warning", "exhausted"]


class Placement(Said):
    """The answer of a dry run: where a session would start now, and why.

    ``cost_hour`` is the price per hour at the first candidate. ``lasts_hours`` is how long the tightest limit over time
    lasts for it; null: no such limit. ``charge_to`` is the group that would pay, and ``may_charge`` those to choose
    from.
    """

    allowed: bool
    reason: str | None = Field(default=None, description="why a lease would be refused now, if it would")
    candidates: list[Candidate]
    rejected: list[Rejection]
    summary: str
    cost_hour: float | None = None
    lasts_hours: float | None = None
    charge_to: str | None = None
    may_charge: list[str] = Field(default_factory=list)


class UsageRow(Said):
    """Sums of the ledger for one combination of the keys that were asked for; the others are null.

    Hours are resource-hours; ``session_hours`` is the time that leases were active; ``cost`` is in the platform's
    currency.
    """

    day: str | None = None
    user: str | None = None
    group: str | None = None
    site: str | None = None
    kind: str | None = None
    cpu_hours: float
    memory_gib_hours: float
    gpu_hours: float
    session_hours: float
    cost: float


class Topic(StrEnum):
    """What a notice is about."""

    IDLE = "idle"
    TIME = "time"
    QUOTA = "quota"
    ALLOWED = "allowed"
    CLOSURE = "closure"
    ANNOUNCEMENT = "announcement"
    ENDED = "ended"
    STORAGE = "storage"
    SILENCE = "silence"


class Notice(Said):
    """A message of the platform to a user, shown in JupyterLab and on the platform's pages.

    ``keep_minutes`` is set when the owner can put off what the notice announces: `POST leases/{lease}/keep`.
    """

    id: int
    created: datetime
    expires: datetime | None
    severity: Literal["info", "warning", "error"]
    #: one of :class:`Topic`, or of a later version's
    topic: Annotated[Topic | str, Field(union_mode="left_to_right")]
    message: str
    lease: str | None = None
    keep_minutes: int | None = None


class SpawnNews(Said):
    """``GET news``: what the hub's spawn page tells a user beside the choices.

    ``failed_at`` is when the user's last start failed; null when none has, or when one has worked since.
    """

    notices: list[Notice]
    failed_at: datetime | None = None


# --- what admins say ----------------------------------------------------------------------------------------------

#: Whom a limit binds: ``user:ana``, ``group:euclid``, ``class:physics``, ``site:esac`` or ``platform``.
Subject = Annotated[str, StringConstraints(pattern=r"^(platform|(user|group|class|site):[^\x00-\x1f\x7f]{1,255})$")]


class OverrideRequest(Asked):
    """``POST overrides``: another limit for one subject, until a date. It takes the place of the quota's own."""

    quota: Slug = Field(description="the name of the quota or allocation")
    subject: Subject
    limit: float = Field(ge=0)
    reason: Reason
    expires: Moment


class Override(Said):
    """A limit that an admin has changed for one subject, with author, reason and expiry."""

    id: int
    quota: str
    subject: str
    limit: float
    reason: str
    author: str
    created: datetime
    expires: datetime
    revoked: datetime | None
    revoked_by: str | None


class ClosureRequest(Asked):
    """``POST closures``: a site takes no starts from ``starts`` on; sessions there are stopped at ``stops_at``.

    ``stops_at`` absent: sessions run on. ``reopens`` absent: until the closure is withdrawn. A drain is a closure that
    starts now; a maintenance window is one with both ends.
    """

    site: Slug
    starts: Moment | None = Field(default=None, description="absent: now")
    stops_at: Moment | None = None
    reopens: Moment | None = None
    reason: Reason


class Closure(Said):
    """A time in which a site takes no starts."""

    id: int
    site: str
    starts: datetime
    stops_at: datetime | None
    reopens: datetime | None
    reason: str
    author: str
    created: datetime
    withdrawn: datetime | None
    withdrawn_by: str | None


#: What admins tell people, in plain words.
Message = Annotated[str, StringConstraints(min_length=3, max_length=1000, strip_whitespace=True, pattern=PLAIN_TEXT)]


class AnnouncementRequest(Asked):
    """``POST announcements``: a message to everybody, or to some groups, until it expires."""

    message: Message
    severity: Literal["info", "warning", "error"] = "info"
    groups: list[HubName] = Field(default_factory=list, max_length=100, description="empty: everybody")
    expires: Moment


class Announcement(Said):
    """A message of the admins that is in force until it expires or is withdrawn."""

    id: int
    message: str
    severity: Literal["info", "warning", "error"]
    groups: list[str]
    author: str
    created: datetime
    expires: datetime
    withdrawn: datetime | None


class PolicyState(Said):
    """``GET policy``: which platform file is in force, since when, and what was wrong with the last one refused."""

    version: str
    loaded_at: datetime
    refused_at: datetime | None
    faults: list[str]


class Forgotten(Said):
    """``DELETE users/{name}``: the sums stay, the name does not. Counts what was changed."""

    leases: int
    usage_entries: int
