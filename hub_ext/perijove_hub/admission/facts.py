"""From the platform file and the ledger to the plain facts that placement decides over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import SessionWish
from perijove_hub.admission import breaker
from perijove_hub.admission.models import refuse
from perijove_hub.catalogue.service import may_read, region_of
from perijove_hub.ledger import open_use, store
from perijove_hub.ledger.models import SiteRow
from perijove_hub.ledger.quota import Held
from perijove_hub.placement import DatasetFacts, SiteFacts, SiteHealth, Wish
from perijove_hub.policy.models import EVERYBODY, Platform, Profile

#: A site is unknown when this many inventories in a row did not come.
MISSED_INVENTORIES = 3

#: What nobody has said of any site.
NOTHING_SAID: Mapping[str, str] = MappingProxyType({})


def profile_is_for(profile: Profile, groups: frozenset[str]) -> bool:
    """Whether a member of these groups may take the profile."""
    return EVERYBODY in profile.groups or bool(groups.intersection(profile.groups))


def resolve_profile(platform: Platform, wish: SessionWish, groups: frozenset[str]) -> tuple[str, Profile]:
    """The profile a wish means: the one it names, or the first that the user may take.

    Raises:
        Refused: there is none such, or it is for others.
    """
    allowed = [name for name, profile in platform.profiles.items() if profile_is_for(profile, groups)]
    if wish.profile is None:
        if not allowed:
            raise refuse(403, "No profile", "None of the platform's profiles is open to your groups.")
        return allowed[0], platform.profiles[allowed[0]]
    profile = platform.profiles.get(wish.profile)
    if profile is None:
        raise refuse(422, "No such profile", f"There is no profile {wish.profile!r}; choose from {', '.join(allowed)}.")
    if wish.profile not in allowed:
        detail = f"Profile {profile.title} is for {', '.join(profile.groups)} only."
        raise refuse(403, "Profile not allowed", detail)
    return wish.profile, profile


def image_for(profile: Profile, wish: SessionWish) -> str | None:
    """The image of a session: the one that its user has named, or the profile's; None: the site's.

    Raises:
        Refused: the profile does not allow the one that was named.
    """
    if wish.image is None:
        return profile.image
    if (why := profile.refusal_of(wish.image)) is not None:
        raise refuse(422, "Image not allowed", why)
    return wish.image


def resolve_wish(
    platform: Platform, wish: SessionWish, owner: str, groups: frozenset[str], home_site: str | None
) -> Wish:
    """What placement is told of a wish.

    Raises:
        Refused: it names a site or a dataset that is not there for this user, or an image that is not allowed.
    """
    if wish.site is not None and wish.site not in platform.sites:
        known = ", ".join(sorted(platform.sites))
        raise refuse(422, "No such site", f"There is no site {wish.site!r}; choose from {known}.")
    _, profile = resolve_profile(platform, wish, groups)
    return Wish(
        owner=owner,
        groups=groups,
        resources=profile.resources,
        datasets=tuple(dataset_facts(platform, name, groups) for name in dict.fromkeys(wish.datasets)),
        site=wish.site,
        home_site=home_site,
        without_home=wish.without_home,
        weights=platform.placement.weights,
        image=image_for(profile, wish),
        image_is_users=wish.image is not None,
        requires=profile.requires,
        spill=platform.placement.spill,
        currency=platform.currency,
    )


async def gather_sites(
    connection: AsyncConnection,
    platform: Platform,
    now: datetime,
    *,
    excluding: str | None = None,
    closed: Mapping[str, str] = NOTHING_SAID,
    over_limit: Mapping[str, str] = NOTHING_SAID,
    held: Mapping[str, Held] | None = None,
) -> dict[str, SiteFacts]:
    """Every site of the platform file with its health and what open leases hold there.

    Args:
        connection: to the ledger.
        platform: the platform file in force.
        now: the time of the decision.
        excluding: a lease that does not count: one that is about to move.
        closed: by site, why it takes no starts now, in words that follow its title.
        over_limit: by site, which of its limits one more workload would pass, in such words.
        held: what open leases hold by site, when the caller has asked for it already.
    """
    if held is None:
        held = (await open_use.holdings(connection, now, excluding=excluding)).held_by_site()
    rows = await store.find_sites(connection, with_attempts=False)
    facts = {}
    for name, site in platform.sites.items():
        health, reason = _health(platform, rows.get(name, SiteRow(name)), now)
        here = held.get(name, Held())
        facts[name] = SiteFacts(
            name=name,
            policy=site,
            health=health,
            health_reason=reason,
            held_cpu=here.cpu,
            held_memory_gib=here.memory_gib,
            held_gpu=here.gpu,
            closed=closed.get(name, ""),
            over_limit=over_limit.get(name, ""),
        )
    return facts


def _health(platform: Platform, row: SiteRow, now: datetime) -> tuple[SiteHealth, str]:
    if breaker.is_out(row, now):
        return SiteHealth.DOWN, "failed the starts of several users in a row and is tried again in a minute"
    if row.received_at is None:
        return SiteHealth.UNKNOWN, "has not been heard of yet"
    if now - row.received_at > timedelta(seconds=MISSED_INVENTORIES * platform.admission.inventory_seconds):
        return SiteHealth.UNKNOWN, f"has not been heard of since {row.received_at:%H:%M} UTC"
    if not row.reachable:
        return SiteHealth.DOWN, "does not answer"
    return SiteHealth.UP, ""


def dataset_facts(platform: Platform, name: str, groups: frozenset[str]) -> DatasetFacts:
    """What placement is told of a dataset of the platform file.

    Raises:
        Refused: there is none of this name for a member of these groups.
    """
    spec = platform.datasets.get(name)
    # one answer for what is not there and what is not theirs: existence is nobody's business
    if spec is None or not may_read(spec, groups):
        raise refuse(422, "No such dataset", f"There is no dataset {name!r} that you may read.")
    prices = {
        region_of(platform, replica): platform.sites[replica.site].egress_price_gib
        for replica in spec.replicas
        if replica.site  # what another copy costs, nobody knows
    }
    return DatasetFacts(
        id=name,
        size_bytes=spec.size_bytes,
        sites=frozenset(replica.site for replica in spec.replicas if replica.site),
        regions=frozenset(region_of(platform, replica) for replica in spec.replicas),
        replica_prices_gib=prices,
        stays_in=None if spec.stays_in is None else frozenset(spec.stays_in),
    )
