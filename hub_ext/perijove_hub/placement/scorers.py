"""Scorers: each gives a site a value from 0 to 1, and says why in plain words where there is something to say."""

from __future__ import annotations

from dataclasses import dataclass

from perijove_hub.placement.models import DatasetFacts, SiteFacts, Wish
from perijove_hub.placement.words import format_bytes, listed

GIB = 2**30

#: A dataset whose size nobody has said weighs this much, so that it still pulls.
ASSUMED_SIZE_BYTES = GIB


@dataclass(frozen=True)
class Score:
    """A scorer's opinion of one site, with reasons in plain words.

    ``moved_bytes`` is what would have to travel there.
    """

    value: float
    reasons: tuple[str, ...] = ()
    moved_bytes: int = 0


def score_data(wish: Wish, site: SiteFacts) -> Score:
    """The share of the wanted bytes that are already there."""
    if not wish.datasets:
        return Score(0.0)
    held = [dataset for dataset in wish.datasets if is_near(dataset, site)]
    moved = [dataset for dataset in wish.datasets if not is_near(dataset, site)]
    total_bytes = sum(size_of(dataset) for dataset in wish.datasets)
    moved_bytes = sum(size_of(dataset) for dataset in moved)
    parts = []
    if held:
        parts.append(f"holds {listed([dataset.id for dataset in held])}")
    if moved:
        cost = sum(egress_cost(dataset, site) for dataset in moved)
        priced = f" at {cost:.2f} for egress" if cost >= 0.005 else ""
        parts.append(f"would move {format_bytes(moved_bytes)}{priced}")
    # every dataset may be empty; then nothing has to move and every site is as good
    return Score(1 - moved_bytes / total_bytes if total_bytes else 1.0, tuple(parts), moved_bytes)


def score_load(wish: Wish, site: SiteFacts) -> Score:
    """The share that stays free on the busiest resource."""
    free_cores = site.policy.capacity.cpu - site.held_cpu
    return Score(1 - site.load, (f"has {free_cores:g} of {site.policy.capacity.cpu:g} cores free",))


def score_home(wish: Wish, site: SiteFacts) -> Score:
    """The home directory is there (1), mounted from elsewhere (½), or does not matter (0)."""
    if wish.without_home:
        return Score(0.0)
    if wish.home_site is None:
        return Score(1.0 if site.policy.homes else 0.0)
    if wish.home_site == site.name:
        return Score(1.0, ("holds your home",))
    return Score(0.5, ("mounts your home",))


def is_near(dataset: DatasetFacts, site: SiteFacts) -> bool:
    """Whether a copy of the dataset is at the site or in its region."""
    return site.name in dataset.sites or site.policy.region in dataset.regions


def size_of(dataset: DatasetFacts) -> int:
    """The bytes of one copy; a size that nobody has said counts as one GiB."""
    return ASSUMED_SIZE_BYTES if dataset.size_bytes is None else dataset.size_bytes


def egress_cost(dataset: DatasetFacts, site: SiteFacts) -> float:
    """What moving all of the dataset to the site costs from its cheapest copy, in the platform's currency."""
    prices = [
        by_target.get(site.policy.region, by_target.get("default", 0.0))
        for by_target in dataset.replica_prices_gib.values()
    ]
    return min(prices, default=0.0) * size_of(dataset) / GIB
