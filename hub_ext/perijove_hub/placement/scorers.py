"""Scorers: each gives a site a value from 0 to 1, and says why in plain words where there is something to say."""

from __future__ import annotations

from dataclasses import dataclass

from perijove_hub.placement.models import DatasetFacts, SiteFacts, Wish
from perijove_hub.placement.words import format_bytes, listed

GIB = 2**30

#: A dataset whose size nobody has said weighs this much, so that it still pulls.
ASSUMED_SIZE_BYTES = GIB

#: The round trip at which a site is half as good as one next door: people notice it when they type.
HALF_LATENCY_MS = 100


@dataclass(frozen=True, slots=True)
class Score:
    """A scorer's opinion of one site, with its reason in words that follow the site's title, or without."""

    value: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Travel:
    """What would have to travel to a site, and what that costs, in the platform's currency.

    ``unpriced`` are those of ``moved`` of which nobody knows what moving them costs; they are not in ``egress_cost``.
    """

    held: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    unpriced: tuple[str, ...] = ()
    total_bytes: int = 0
    moved_bytes: int = 0
    egress_cost: float = 0.0

    def words(self, wish: Wish) -> tuple[str, str]:
        """What is there and what would be moved, in words that follow the site's title; empty: nothing."""
        holding = f"holds {listed(self.held)}" if self.held else ""
        priced = f" at {wish.money(self.egress_cost)} for egress" if self.egress_cost else ""
        if self.unpriced:
            priced = f"{priced} and more that is not known" if priced else " at a cost that is not known"
        return holding, f"would move {format_bytes(self.moved_bytes)}{priced}" if self.moved else ""


def travel_of(wish: Wish, site: SiteFacts) -> Travel:
    """Which of the wanted datasets are at the site or in its region, and what moving the others takes."""
    if not wish.datasets:
        return Travel()
    held = tuple(dataset.id for dataset in wish.datasets if is_near(dataset, site))
    moved = [dataset for dataset in wish.datasets if not is_near(dataset, site)]
    costs = {dataset.id: egress_cost(dataset, site) for dataset in moved}
    return Travel(
        held=held,
        moved=tuple(costs),
        unpriced=tuple(name for name, cost in costs.items() if cost is None),
        total_bytes=sum(size_of(dataset) for dataset in wish.datasets),
        moved_bytes=sum(size_of(dataset) for dataset in moved),
        egress_cost=sum(cost or 0.0 for cost in costs.values()),
    )


def score_data(wish: Wish, travel: Travel) -> float:
    """The share of the wanted bytes that are already there; 0 when none are wanted."""
    if not wish.datasets:
        return 0.0
    # every dataset may be empty; then nothing has to move and every site is as good
    return 1 - travel.moved_bytes / travel.total_bytes if travel.total_bytes else 1.0


def score_load(wish: Wish, site: SiteFacts) -> Score:
    """The share that stays free on the busiest resource."""
    capacity = site.policy.capacity
    free = f"has {max(0.0, capacity.cpu - site.held_cpu):g} of {capacity.cpu:g} cores free"
    if wish.resources.gpu:
        free = f"has {max(0, capacity.gpu - site.held_gpu)} of {capacity.gpu} GPUs free"
    return Score(1 - site.load, free)


def score_cost(cost: float, cheapest: float) -> float:
    """How near a cost is to that of the cheapest site: ½ at twice as much, 0 where another costs nothing."""
    return 1.0 if cost <= cheapest else cheapest / cost


def score_home(wish: Wish, site: SiteFacts) -> Score:
    """The home directory is there (1), mounted from elsewhere (½), or does not matter (0)."""
    if wish.without_home:
        return Score(0.0)
    if wish.home_site is None:
        return Score(1.0 if site.policy.homes else 0.0)
    if wish.home_site == site.name:
        return Score(1.0, "holds your home")
    return Score(0.5, "mounts your home")


def score_latency(site: SiteFacts) -> Score:
    """How near the site is to the platform's users: 1 without delay, ½ at 100 ms."""
    delay_ms = site.policy.latency_ms
    return Score(HALF_LATENCY_MS / (HALF_LATENCY_MS + delay_ms), f"is {delay_ms:g} ms away" if delay_ms else "")


def is_near(dataset: DatasetFacts, site: SiteFacts) -> bool:
    """Whether a copy of the dataset is at the site or in its region."""
    return site.name in dataset.sites or site.policy.region in dataset.regions


def size_of(dataset: DatasetFacts) -> int:
    """The bytes of one copy; a size that nobody has said counts as one GiB."""
    return ASSUMED_SIZE_BYTES if dataset.size_bytes is None else dataset.size_bytes


def egress_cost(dataset: DatasetFacts, site: SiteFacts) -> float | None:
    """What moving all of the dataset to the site costs from its cheapest copy, in the platform's currency.

    Copies whose price nobody knows are not counted on; None: there are no others.
    """
    prices = [
        by_target.get(site.policy.region, by_target.get("default", 0.0))
        for by_target in dataset.replica_prices_gib.values()
    ]
    return min(prices) * size_of(dataset) / GIB if prices else None
