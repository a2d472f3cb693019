"""What pages show of sessions and sites, put together from what the services know. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from perijove.models import Closure, FailedStart, Kind, Lease, LeaseState, Notice, QuotaView
from perijove_hub.admission.life import hard_bound, kept_lease
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.windows import ALLOCATION
from perijove_hub.placement import SiteFacts
from perijove_hub.policy.models import KubernetesSite, Platform
from perijove_hub.web.pages_words import Bar, Words

#: How many minutes a press of the button keeps a session.
KEEP_MINUTES = 30

#: From this share on a site is nearly full.
NEARLY_FULL = 0.9

#: How long a message is shown that does not say until when.
STAYS = timedelta(days=1)

#: So many messages fit above the sessions; all of them are in JupyterLab.
MOST_NOTICES = 8


@dataclass(frozen=True)
class Ending:
    """When a session is stopped, and why."""

    at: datetime
    why: str


@dataclass(frozen=True)
class SessionView:
    """A session that holds its resources: when it ends, the soonest first, and what its owner can do about it."""

    lease: Lease
    profile: str
    image: str
    endings: tuple[Ending, ...]
    idle_sentence: str
    stopping: str
    is_rescue: bool
    may_keep: bool

    @classmethod
    def of(cls, row: LeaseRow, now: datetime, platform: Platform, closures: Sequence[Closure]) -> SessionView:
        """The view of a lease at a moment; ``closures`` are those of all sites."""
        lease = row.said(now)
        is_active = lease.state is LeaseState.ACTIVE
        profile = platform.profiles.get(row.profile)
        endings = _endings(row, lease, closures)
        return cls(
            lease=lease,
            profile=profile.title if profile else lease.profile,
            image=image_of(row, platform),
            endings=tuple(sorted(endings, key=lambda ending: ending.at)),
            idle_sentence=_idle_sentence(row) if is_active else "",
            stopping=row.reason or "",
            is_rescue=row.offer.spawn.rescue,
            may_keep=is_active and row.reason is None and _may_keep(row, now, platform, closures),
        )


def image_of(row: LeaseRow, platform: Platform) -> str:
    """The container image that a session runs; empty where its site has none, or it has not come to one."""
    site = platform.sites.get(row.site or "")
    if row.kind is not Kind.SESSION or not isinstance(site, KubernetesSite):
        return ""
    return row.offer.spawn.image or site.image


def _may_keep(row: LeaseRow, now: datetime, platform: Platform, closures: Sequence[Closure]) -> bool:
    """Whether its owner can put something off, by the rule that decides when the button is pressed."""
    if row.idle_stop_at is None and (row.ends_at is None or row.keeps_left == 0):
        return False
    bound = hard_bound(row, closures, platform)
    return kept_lease(row, bound, now, timedelta(minutes=KEEP_MINUTES)) is not None


def _endings(row: LeaseRow, lease: Lease, closures: Iterable[Closure]) -> list[Ending]:
    found = []
    if lease.ends_at:
        left = f"; you can still put it off {_times(lease.keeps_left)}" if lease.keeps_left else ""
        found.append(Ending(lease.ends_at, f"its time is over{left}"))
    if lease.idle_stop_at:
        found.append(Ending(lease.idle_stop_at, "nothing runs in it"))
    if lease.quota_stop_at:
        limit = f"limit {row.quota_stop_name}" if row.quota_stop_name else "a limit"
        found.append(Ending(lease.quota_stop_at, f"{limit} is used up"))
    if row.allowed_stop_at:
        found.append(Ending(row.allowed_stop_at, "its owner is no longer in the group that it needs"))
    found += [
        Ending(closure.stops_at, f"its site closes: {closure.reason}")
        for closure in closures
        if closure.stops_at and closure.site == lease.site
    ]
    return found


def _times(number: int) -> str:
    return "once" if number == 1 else "twice" if number == 2 else f"{number} times"


def _idle_sentence(row: LeaseRow) -> str:
    if row.idle_minutes is None:
        return ""
    length = Words.hours(row.idle_minutes / 60)
    if row.busy:
        return f"Code runs in it. Once nothing has run for {length}, it is stopped."
    return f"It is stopped once nothing has run in it for {length}."


def notices_to_show(notices: Iterable[Notice], now: datetime) -> list[Notice]:
    """The messages that still matter, the newest first; of what is said twice the newer.

    One that expires is shown until then; one that does not, for a day.
    """
    valid = [notice for notice in notices if now < (notice.expires or notice.created + STAYS)]
    newest: dict[str, Notice] = {}
    for notice in sorted(valid, key=lambda notice: -notice.id):
        newest.setdefault(notice.message, notice)
    return list(newest.values())[:MOST_NOTICES]


@dataclass(frozen=True)
class Load:
    """How much of one resource of a site is held."""

    title: str
    held: float
    capacity: float

    @property
    def bar(self) -> Bar:
        """Its bar."""
        return Bar.plain(self.held, self.capacity)

    @property
    def state(self) -> str:
        """Whether it is nearly full, in the words of a limit."""
        share = self.held / self.capacity if self.capacity else 1.0
        return "exhausted" if share >= 1 else "warning" if share >= NEARLY_FULL else "ok"


def loads_of(site: SiteFacts) -> list[Load]:
    """The resources of a site; GPUs where it has any."""
    capacity = site.policy.capacity
    loads = [
        Load("cores", site.held_cpu, capacity.cpu),
        Load("GiB of memory", site.held_memory_gib, capacity.memory_gib),
    ]
    return loads + ([Load("GPUs", float(site.held_gpu), float(capacity.gpu))] if capacity.gpu else [])


def closures_by_site(closures: Iterable[Closure]) -> Mapping[str, list[Closure]]:
    """The closures of each site, the next first."""
    found: dict[str, list[Closure]] = {}
    for closure in sorted(closures, key=lambda closure: closure.starts):
        found.setdefault(closure.site, []).append(closure)
    return found


def forecast(view: QuotaView, say: Words) -> str:
    """When a limit over time will be used up, in a sentence; empty for what is held at once."""
    if view.window is None:
        return ""
    if view.state == "exhausted":
        renewed = f" It {_ended(view)} on {say.plain_time(view.window_end)}." if view.window_end else ""
        return f"Used up.{renewed}"
    if view.empty_at:
        return f"At this rate used up {say.relative(view.empty_at)}, on {say.plain_time(view.empty_at)}."
    ends = f" until it {_ended(view)} on {say.plain_time(view.window_end)}" if view.window_end else ""
    if view.reserved <= 0:
        return f"Nothing that runs now uses it{ends.replace(' until', '; it is there until', 1)}."
    return f"At this rate it lasts{ends}."


def _ended(view: QuotaView) -> str:
    return "ends" if view.window == ALLOCATION else "is renewed"


def advice(failure: FailedStart) -> str:
    """What to do after a failed start; a refusal by a limit says so itself."""
    if failure.title == "Not started":
        log = "read the end of its log below" if failure.log_tail else "try another size or place"
        return f"Start it again: another site may be free now. If it fails again, {log}, or show this to an admin."
    if failure.title == "No site can run this now":
        return "Open the reasons below: another place, a smaller size or other datasets may do, or some patience."
    return ""
