"""What a profile costs, where its user could run it. Pure."""

from __future__ import annotations

from perijove_hub.placement import SiteFacts, SiteHealth, Wish
from perijove_hub.placement.filters import allowed, has_image, has_labels, large_enough
from perijove_hub.policy.models import Platform, Profile

#: What rules a site out for good: whether it is up, or full, passes.
_FOR_GOOD = (allowed, large_enough, has_image, has_labels)


def hourly_costs(platform: Platform, profile: Profile, groups: frozenset[str]) -> tuple[float, float]:
    """What a profile costs per hour on the cheapest and on the dearest site where members of these groups can run it.

    In the platform's currency; nothing where no site can run it.
    """
    wish = Wish(owner="", groups=groups, resources=profile.resources, image=profile.image, requires=profile.requires)
    costs = [
        site.price.hourly(profile.resources)
        for name, site in platform.sites.items()
        if not any(each(wish, SiteFacts(name, site, SiteHealth.UNKNOWN), {}) for each in _FOR_GOOD)
    ]
    return round(min(costs, default=0.0), 6), round(max(costs, default=0.0), 6)
