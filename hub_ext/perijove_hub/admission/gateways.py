"""Which Dask Gateways there are for somebody, and which of them is best for some data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perijove.models import GatewayView, Resources
from perijove_hub.admission.facts import dataset_facts
from perijove_hub.placement import SiteFacts, Wish
from perijove_hub.placement.scorers import score_data, travel_of
from perijove_hub.policy.models import EVERYBODY, Platform, Site

#: What prices are compared by: a worker of a usual size.
USUAL_WORKER = Resources(cpu=1, memory_gib=4)


@dataclass(frozen=True)
class _Ranked:
    view: GatewayView
    #: the smaller the better
    rank: tuple[float, bool, float, float, str]


def gateways_for(platform: Platform, owner: str, groups: frozenset[str], datasets: Sequence[str]) -> list[GatewayView]:
    """The gateways of the sites that a member of these groups may use, in the order of the platform file.

    With datasets, one is preferred: the one with most of their bytes, then with egress whose price is known, then with
    the least of it, then the cheapest.
    What lies in archives of others is as far from everywhere, and counts for nothing.

    Raises:
        Refused: there is no such dataset for them.
    """
    wanted = tuple(dataset_facts(platform, name, groups) for name in dict.fromkeys(datasets) if "." not in name)
    wish = Wish(owner, groups, USUAL_WORKER, datasets=wanted, currency=platform.currency)
    ranked = [
        _look(name, site, wish)
        for name, site in platform.sites.items()
        if site.dask is not None and (EVERYBODY in site.groups or groups.intersection(site.groups))
    ]
    best = min((each.rank for each in ranked), default=None) if wanted else None
    return [each.view.model_copy(update={"preferred": each.rank == best}) for each in ranked]


def _look(name: str, site: Site, wish: Wish) -> _Ranked:
    travel = travel_of(wish, SiteFacts(name, site))
    dask = site.dask
    view = GatewayView(
        site=name,
        title=site.title,
        region=site.region,
        address=dask.address if dask else "",
        proxy_address=dask.proxy_address if dask else "",
        price=site.price,
        near="; ".join(filter(None, travel.words(wish))) or None,
        egress_cost=round(travel.egress_cost, 6) if wish.datasets and not travel.unpriced else None,
    )
    costs = bool(travel.unpriced), travel.egress_cost
    rank = (-score_data(wish, travel), *costs, site.price.hourly(wish.resources), name)
    return _Ranked(view, rank)
