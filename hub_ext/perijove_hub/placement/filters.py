"""Filters: each says why a site cannot run a workload, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from perijove_hub.placement.models import SiteFacts, SiteHealth, Wish
from perijove_hub.placement.words import listed
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
    if EVERYBODY in groups or wish.groups.intersection(groups):
        return None
    return f"is for {listed(groups)} only"


def alive(wish: Wish, site: SiteFacts, sites: Mapping[str, SiteFacts]) -> str | None:
    """A site that is known to be down takes nothing; an unknown one may be tried."""
    if site.health is SiteHealth.DOWN:
        return site.health_reason or "does not answer"
    return None


def fits(wish: Wish, site: SiteFacts, sites: Mapping[str, SiteFacts]) -> str | None:
    """What the workload needs must be free."""
    capacity, needs = site.policy.capacity, wish.resources
    for unit, need, held, total in (
        ("cores", needs.cpu, site.held_cpu, capacity.cpu),
        ("GiB of memory", needs.memory_gib, site.held_memory_gib, capacity.memory_gib),
        ("GPUs", needs.gpu, site.held_gpu, capacity.gpu),
    ):
        if need > total:
            return f"has {total:g} {unit} in all, and {need:g} are needed"
        # the sums of floats that were admitted one by one must not refuse the last that fits
        if need > total - held + 1e-9:
            return f"has {max(0.0, total - held):g} of {total:g} {unit} free, and {need:g} are needed"
    return None


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
FILTERS: tuple[Filter, ...] = (asked_for, allowed, alive, fits, home_within_reach)
