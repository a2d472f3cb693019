"""What the hub gives a start on its own while control does not answer; only where the platform file says so.

Pure: it knows the platform file, the wish, and where the user's home is. What runs elsewhere and what was used so far
nobody can tell it; the caller sees to it that a user starts no second session this way.
"""

from __future__ import annotations

from perijove.models import LeaseOffer, SessionWish, SpawnSpec
from perijove_hub.admission.facts import resolve_profile, resolve_wish
from perijove_hub.admission.limits import who_pays
from perijove_hub.admission.models import refuse
from perijove_hub.placement import SiteFacts, rank_sites
from perijove_hub.policy.models import Platform


def home_site_offer(
    platform: Platform, wish: SessionWish, owner: str, groups: frozenset[str], home_site: str, attempt_id: str
) -> tuple[LeaseOffer, str]:
    """One candidate, the site of the user's home, and the name of the profile. No lease stands behind the offer.

    Everything that the platform file says of profile, site, groups and datasets holds as ever.

    Raises:
        Refused: the wish names what is not there, or cannot be had at that site.
    """
    name, profile = resolve_profile(platform, wish, groups)
    who_pays(platform, wish.charge_to, groups)  # a session that nobody pays for is not for the hub to give
    resolved = resolve_wish(platform, wish, owner, groups, home_site)
    site = platform.sites.get(home_site)
    if site is None:
        raise refuse(403, "Home elsewhere", f"Your home is at {home_site}, which is no site of this platform now.")
    ranking = rank_sites(resolved, [SiteFacts(name=home_site, policy=site)])
    if not ranking.candidates:
        raise refuse(403, "Not at the home site", ranking.summary)
    env = {"PERIJOVE_DATASETS": ",".join(wish.datasets), "PERIJOVE_CURRENCY": platform.currency}
    offer = LeaseOffer(
        id="",
        attempt_id=attempt_id,
        candidates=list(ranking.candidates),
        spawn=SpawnSpec(
            resources=profile.resources,
            image=resolved.image,
            image_is_users=resolved.image_is_users,
            env={**profile.env, **env},
            home_site=home_site,
            without_home=wish.without_home,
            max_hours=profile.max_hours,
            idle_minutes=profile.idle_minutes,
            policy_version=platform.version,
        ),
        explanation=ranking.explanation(),
    )
    return offer, name
