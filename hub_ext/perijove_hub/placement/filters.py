"""Filters: each says why a site cannot run a workload, or nothing.

A reason is in words that follow the site's title: ``is for staff only``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from perijove_hub.placement.models import SiteFacts, SiteHealth, Wish
from perijove_hub.placement.words import either, listed
from perijove_hub.policy.models import EVERYBODY

Filter = Callable[[Wish, SiteFacts, Mapping[str, SiteFacts]], str | None]


def asked_for(wish: Wish, site: SiteFacts, sites: Mapping[str, SiteFacts]) -> str | None:
    """A user may insist on one site."""
    if wish.site is None or wish.site == site.name:
        return None
    asked = sites[wish.site].policy.title if wish.site in sites else wish.site
    return f"you asked for {asked}"


def allowed(wish: Wish, site: SiteFacts, sites: Mapping[str, SiteFacts]) -> str | None:
    """A site may be for some groups only."""
    groups = site.policy.groups
    if EVERYBODY in groups or not wish.groups.isdisjoint(groups):
        return None
    return f"is for {listed(groups)} only"


def alive(wish: Wish, site: SiteFacts, sites: Mapping[str, SiteFacts]) -> str | None:
    """A site that is known to be down takes nothing; an unknown one may be tried."""
    if site.health is SiteHealth.DOWN:
        return site.health_reason or "does not answer"
    return None


def taking_starts(wish: Wish, site: SiteFacts, sites: Mapping[str, SiteFacts]) -> str | None:
    """A site may be closed by an admin: drained, or in a maintenance window."""
    return site.closed or None


def large_enough(wish: Wish, site: SiteFacts, sites: Mapping[str, SiteFacts]) -> str | None:
    """What the workload needs must be there at all; GPUs too."""
    for unit, need, _, total in _amounts(wish, site):
        if need > total:
            has = f"{total:g} {unit} in all" if total else f"no {unit.removesuffix('s')}"
            return f"has {has}, and {_needed(need)}"
    return None


def room(wish: Wish, site: SiteFacts, sites: Mapping[str, SiteFacts]) -> str | None:
    """What the workload needs must be free."""
    for unit, need, held, total in _amounts(wish, site):
        # the sums of floats that were admitted one by one must not refuse the last that fits
        if need <= total and need > total - held + 1e-9:
            return f"has {max(0.0, total - held):g} of {total:g} {unit} free, and {_needed(need)}"
    return None


def under_limit(wish: Wish, site: SiteFacts, sites: Mapping[str, SiteFacts]) -> str | None:
    """A quota may bind all that runs on the site."""
    return site.over_limit or None


def has_image(wish: Wish, site: SiteFacts, sites: Mapping[str, SiteFacts]) -> str | None:
    """A site may have some images only.

    A local site starts what is installed there: the image of a profile stands for that, one that a user names cannot.
    """
    if wish.image_is_users and site.policy.kind != "kubernetes":
        return "runs no container images, and you have named one"
    if wish.image is None or site.policy.images is None or wish.image in site.policy.images:
        return None
    return f"does not have the image {wish.image}"


def has_labels(wish: Wish, site: SiteFacts, sites: Mapping[str, SiteFacts]) -> str | None:
    """A profile may require labels, as the kind of GPU or who provides the site."""
    lacking = [f"{key}: {value}" for key, value in wish.requires.items() if site.policy.labels.get(key) != value]
    return f"lacks {listed(lacking)}, which the profile requires" if lacking else None


def data_may_be_used(wish: Wish, site: SiteFacts, sites: Mapping[str, SiteFacts]) -> str | None:
    """A dataset may be worked with in some regions only."""
    region = site.policy.region
    bound = [
        f"{dataset.id} must stay in {either(sorted(dataset.stays_in))}"
        for dataset in wish.datasets
        if dataset.stays_in is not None and region not in dataset.stays_in
    ]
    return f"is in {region}, and {listed(bound)}" if bound else None


def home_within_reach(wish: Wish, site: SiteFacts, sites: Mapping[str, SiteFacts]) -> str | None:
    """A home lives on one site; another is a candidate only if it mounts that home, or the user does without."""
    if wish.without_home:
        return None
    if wish.home_site is None:
        return None if site.policy.homes else "holds no home directories; tick “without my home” to start here"
    if wish.home_site == site.name or wish.home_site in site.policy.mounts_homes_of:
        return None
    home = sites[wish.home_site].policy.title if wish.home_site in sites else wish.home_site
    return f"does not mount your home, which is at {home}; tick “without my home” to start here"


#: In the order in which a person would want to be told.
FILTERS: tuple[Filter, ...] = (
    asked_for,
    allowed,
    alive,
    taking_starts,
    large_enough,
    room,
    under_limit,
    has_image,
    has_labels,
    data_may_be_used,
    home_within_reach,
)

#: What passes by itself, and what people call it in short.
PASSING: Mapping[Filter, str] = {
    alive: "is down",
    taking_starts: "takes no starts now",
    room: "is full",
    under_limit: "has reached its limit",
}


def _amounts(wish: Wish, site: SiteFacts) -> Iterator[tuple[str, float, float, float]]:
    """Unit, what is needed, what is held and what there is, of each resource."""
    capacity, needs = site.policy.capacity, wish.resources
    yield "cores", needs.cpu, site.held_cpu, capacity.cpu
    yield "GiB of memory", needs.memory_gib, site.held_memory_gib, capacity.memory_gib
    yield "GPUs", needs.gpu, site.held_gpu, capacity.gpu


def _needed(amount: float) -> str:
    return f"{amount:g} {'is' if amount == 1 else 'are'} needed"
