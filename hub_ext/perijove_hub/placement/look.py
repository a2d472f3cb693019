"""One site looked at for one wish: what speaks against it, what for it, and what it would cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perijove_hub.placement.filters import FILTERS, PASSING
from perijove_hub.placement.models import SiteFacts, Wish
from perijove_hub.placement.scorers import (
    Travel,
    score_cost,
    score_data,
    score_home,
    score_latency,
    score_load,
    travel_of,
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A site that cannot run the workload. ``lasting`` is false when waiting may help."""

    site: SiteFacts
    reasons: tuple[str, ...]
    lasting: bool


@dataclass(frozen=True, slots=True)
class Suitable:
    """A site that can run the workload, now or when something passes.

    ``moving`` is the one of the ``reasons`` that tells what would be moved there, empty when there is nothing to move.
    ``in_the_way`` is what has to pass, in full, and ``state`` what people call it in short; both are empty for a site
    that can run it now. ``own_score`` is the weighted sum of the scores that hang on the site alone. ``cost`` is one
    hour and the moving of the data together, in the platform's currency.
    """

    site: SiteFacts
    in_the_way: tuple[str, ...]
    state: str
    travel: Travel
    own_score: float
    cost_hour: float
    cost: float
    reasons: tuple[str, ...]
    moving: str

    @property
    def title(self) -> str:
        """The site's title."""
        return self.site.policy.title

    @property
    def goods(self) -> list[str]:
        """The reasons that speak for the site; there is always one."""
        return [reason for reason in self.reasons if reason != self.moving]

    def total(self, wish: Wish, cheapest: float) -> float:
        """The score, 0 to 1, beside sites of which the cheapest costs ``cheapest``."""
        weights = wish.weights
        whole = weights.data + weights.load + weights.cost + weights.home + weights.latency
        if not whole:
            return 0.0
        # rounded, so that the order never hangs on the last bit of a sum
        return round((self.own_score + weights.cost * score_cost(self.cost, cheapest)) / whole, 6)


def look_at(wish: Wish, site: SiteFacts, sites: Mapping[str, SiteFacts]) -> Suitable | Rejected:
    """What there is to say about a site; ``sites`` are all of them by name."""
    against = [(check, reason) for check in FILTERS if (reason := check(wish, site, sites))]
    if any(check not in PASSING for check, _ in against):
        return Rejected(site, tuple(reason for _, reason in against), lasting=True)
    travel = travel_of(wish, site)
    home, load, latency = score_home(wish, site), score_load(wish, site), score_latency(site)
    weights, cost_hour = wish.weights, site.policy.price.hourly(wish.resources)
    holding, moving = travel.words(wish)
    priced = f"costs {wish.money(cost_hour)} an hour" if cost_hour else ""
    said = (holding, moving, home.reason, load.reason, priced, latency.reason)
    return Suitable(
        site=site,
        in_the_way=tuple(reason for _, reason in against),
        state=PASSING[against[0][0]] if against else "",
        travel=travel,
        own_score=(
            weights.data * score_data(wish, travel)
            + weights.load * load.value
            + weights.home * home.value
            + weights.latency * latency.value
        ),
        cost_hour=cost_hour,
        cost=cost_hour + travel.egress_cost,
        reasons=tuple(reason for reason in said if reason),
        moving=moving,
    )
