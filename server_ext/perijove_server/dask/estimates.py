"""What a cluster would hold and cost, and whether it fits into its site and the limits as they are now; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from perijove.errors import BadRequest
from perijove.models import Price, QuotaView, Resources, SiteView
from perijove.models.compute import Estimate, LimitLeft
from perijove.models.gateways import ClusterNeed

#: What a cluster holds while it runs; sessions are none of it.
AT_ONCE = ("clusters", "cpu", "memory_gib", "gpu")
#: What it uses up; told for its first hour.
OVER_TIME = ("cpu_hours", "memory_gib_hours", "gpu_hours", "credits")
#: What a site has of each resource, in words.
AT_A_SITE = {"cpu": "cores", "memory_gib": "GiB of memory", "gpu": "GPUs"}
#: A site tells how full it is with so many digits.
LOAD_TOLERANCE = 1e-4
#: Sums of floats must not refuse the last that fits; as in admission.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class _Counted:
    """One limit, with what the scheduler and each worker take of it."""

    quota: QuotaView
    scheduler: float
    worker: float

    def left(self, workers: int) -> float:
        return self.quota.limit - self.quota.used - self.scheduler - self.worker * workers

    @property
    def most(self) -> float:
        """How many workers fit; below 0: not even the scheduler."""
        spare = self.left(0) + TOLERANCE
        if spare < 0:  # a limit that is passed already refuses only what takes more of it
            return -1 if self.scheduler > 0 else 0
        return math.inf if self.worker <= 0 else math.floor(spare / self.worker)


def estimate(
    need: ClusterNeed,
    workers: int,
    *,
    gateway: str,
    title: str,
    price: Price,
    quotas: Iterable[QuotaView],
    currency: str | None,
    site: SiteView | None = None,
) -> Estimate:
    """What a cluster with so many workers at a gateway would mean; ``site`` is the gateway's, if control tells of it.

    Raises:
        BadRequest: it would be larger than anything can be.
    """
    resources = _total(need, workers)
    counted = [each for quota in quotas if (each := _counted(quota, need, workers, gateway, price)) is not None]
    most_of_gateway = math.inf if need.workers_max is None else need.workers_max
    most = min([most_of_gateway, *(each.most for each in counted)])
    why_not = _why_not_at(site, resources) if site is not None else None
    if why_not is None and workers > most_of_gateway:
        why_not = f"A cluster of {title} has {_workers(int(most_of_gateway))} at most. {_what_fits(most)}"
    over = next((each for each in counted if each.most < workers), None)
    if why_not is None and over is not None:
        why_not = f"{_in_the_way(over, workers)} {_what_fits(most)}"
    return Estimate(
        resources=resources,
        cost_hour=round(price.hourly(resources), 6),
        currency=currency,
        workers_max=need.workers_max,
        idle_stop_seconds=need.idle_stop_seconds,
        limits=[
            LimitLeft(
                name=each.quota.name,
                label=_label(each.quota),
                unit=each.quota.unit,
                left=round(each.left(workers), 6),
                limit=each.quota.limit,
            )
            for each in counted
        ],
        fits=why_not is None,
        why_not=why_not,
        warning=_warning_at(site, resources) if site is not None and why_not is None else None,
    )


def _why_not_at(site: SiteView, resources: Resources) -> str | None:
    """Why a site does not take a cluster, in a sentence; None: it does, if there is room."""
    # what control says follows the title
    if site.closed:
        return f"{site.title} {site.closed.rstrip('.')}."
    if site.health == "down":
        return f"{site.title} {(site.health_reason or 'does not answer').rstrip('.')}."
    for resource, unit in AT_A_SITE.items():
        needs, has = getattr(resources, resource), getattr(site.capacity, resource)
        if needs > has + TOLERANCE:
            return f"{site.title} has {_amount(has)} {unit} in all, and this cluster needs {_amount(needs)}."
    return None


def _warning_at(site: SiteView, resources: Resources) -> str | None:
    """That there may be no room, in a sentence. A site tells only how much is taken of the resource it has least of."""
    shares = [
        getattr(resources, resource) / has for resource in AT_A_SITE if (has := getattr(site.capacity, resource)) > 0
    ]
    if max(shares, default=0.0) <= 1 - site.load + LOAD_TOLERANCE:
        return None
    if site.load >= 1 - LOAD_TOLERANCE:
        return f"{site.title} is full now: the cluster may not start, or without workers."
    return f"{site.title} is {site.load:.0%} full now: not all of the workers may start."


def _total(need: ClusterNeed, workers: int) -> Resources:
    one, each = need.scheduler, need.worker
    try:
        return Resources(
            cpu=one.cpu + each.cpu * workers,
            memory_gib=one.memory_gib + each.memory_gib * workers,
            gpu=one.gpu + each.gpu * workers,
        )
    except ValidationError:
        raise BadRequest(f"{_workers(workers)} of this size are more than any cluster can have.") from None


def _counted(quota: QuotaView, need: ClusterNeed, workers: int, gateway: str, price: Price) -> _Counted | None:
    """A limit that the cluster counts in; None for others. What a limit has lost since does not refuse other things."""
    if quota.per == "site" and quota.subject != f"site:{gateway}":
        return None
    scheduler, worker = _takes(quota.resource, need.scheduler, price), _takes(quota.resource, need.worker, price)
    if quota.resource == "clusters":
        scheduler, worker = 1.0, 0.0
    return _Counted(quota, scheduler, worker) if scheduler + worker * workers > 0 else None


def _takes(resource: str, holds: Resources, price: Price) -> float:
    if resource == "credits":
        return price.hourly(holds)
    if resource in AT_ONCE or resource in OVER_TIME:
        return float(getattr(holds, resource.removesuffix("_hours"), 0.0))
    return 0.0


def _in_the_way(over: _Counted, workers: int) -> str:
    quota = over.quota
    needs = over.scheduler + over.worker * workers
    whose = "" if quota.per == "user" else f" of {_spoken_subject(quota.subject)}"
    used = f"{_amount(quota.used)} of {_amount(quota.limit)} {quota.unit} are used{_spoken_window(quota.window)}"
    needed = f"this cluster needs {_amount(needs)}" + (" more an hour" if quota.window else " more")
    return f"The limit {quota.name}{whose} is in the way: {used}, and {needed}."


def _what_fits(most: float) -> str:
    if most < 0:
        return "Not even a cluster without workers fits now."
    if most == 0:
        return "A cluster without workers fits now."
    return f"{_workers(int(most))} {'fits' if most == 1 else 'fit'} now."


def _workers(count: int) -> str:
    return f"{count} {'worker' if count == 1 else 'workers'}"


def _label(quota: QuotaView) -> str:
    """``Cores at once``, ``Core hours this month of group euclid``."""
    when = _spoken_window(quota.window) or " at once"
    whose = "" if quota.per == "user" else f" of {_spoken_subject(quota.subject)}"
    label = f"{quota.unit}{when}{whose}"
    return label[:1].upper() + label[1:]


def _spoken_subject(subject: str) -> str:
    kind, _, name = subject.partition(":")
    return f"{kind} {name}" if name else "the platform"


def _spoken_window(window: str | None) -> str:
    """In the words of the platform's pages."""
    if window is None:
        return ""
    if window == "allocation":
        return " of the allocation"
    if window in ("week", "month", "quarter", "year"):
        return f" this {window}"
    unit = {"h": "hours", "d": "days"}.get(window[-1:])
    return " today" if window == "day" or unit is None else f" in the last {window[:-1]} {unit}"


def _amount(amount: float) -> str:
    return f"{amount:.2f}".rstrip("0").rstrip(".") if abs(amount) < 1000 else f"{amount:.0f}"
