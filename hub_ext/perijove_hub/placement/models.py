"""What placement is told, and what it answers. Plain data, no I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from perijove.models import Candidate, Explanation, Rejection, Resources
from perijove_hub.placement.words import format_money
from perijove_hub.policy.models import Site, Spill, Weights


class SiteHealth(StrEnum):
    """Whether a site can take a start. Unknown is not down: a start may try it."""

    UP = "up"
    UNKNOWN = "unknown"
    DOWN = "down"


@dataclass(frozen=True)
class SiteFacts:
    """One site at the moment of a decision. ``held_*`` is what open leases hold there.

    ``closed`` says why it takes no starts now, ``over_limit`` which limit of the site one more workload would pass;
    both in words that follow the site's title, and empty when there is nothing to say.
    """

    name: str
    policy: Site
    health: SiteHealth = SiteHealth.UNKNOWN
    health_reason: str = ""
    held_cpu: float = 0.0
    held_memory_gib: float = 0.0
    held_gpu: int = 0
    closed: str = ""
    over_limit: str = ""

    @property
    def load(self) -> float:
        """The share of the busiest resource that is held, 0 to 1."""
        capacity = self.policy.capacity
        shares = [self.held_cpu / capacity.cpu, self.held_memory_gib / capacity.memory_gib]
        if capacity.gpu:
            shares.append(self.held_gpu / capacity.gpu)
        return min(1.0, max(shares))


@dataclass(frozen=True)
class DatasetFacts:
    """What placement needs of a dataset: how big one copy is and where copies are.

    ``size_bytes`` is None when nobody has said. ``replica_prices_gib`` holds, by region of a copy, the price of
    moving one GiB out of that region, by target region, with ``default``; regions whose price nobody knows are
    not in it. ``stays_in`` names the regions in which it may be worked with; None: any.
    """

    id: str
    size_bytes: int | None
    sites: frozenset[str]
    regions: frozenset[str]
    replica_prices_gib: Mapping[str, Mapping[str, float]]
    stays_in: frozenset[str] | None = None


@dataclass(frozen=True)
class Wish:
    """What is to be placed, and for whom. ``home_site`` is None for an owner without a home yet.

    ``image`` is None where any will do; ``image_is_users`` tells that the owner has named it. ``requires`` are labels
    that a site must have. ``spill`` says when another than the best site may take its place. ``currency`` is what
    prices are told in.
    """

    owner: str
    groups: frozenset[str]
    resources: Resources
    datasets: tuple[DatasetFacts, ...] = ()
    site: str | None = None
    home_site: str | None = None
    without_home: bool = False
    weights: Weights = field(default_factory=Weights)
    image: str | None = None
    image_is_users: bool = False
    requires: Mapping[str, str] = field(default_factory=dict)
    spill: Spill = field(default_factory=Spill)
    currency: str = ""

    def money(self, amount: float) -> str:
        """An amount of money for people, in ``currency``."""
        return format_money(amount, self.currency)


@dataclass(frozen=True)
class Ranking:
    """Every site, ranked or rejected, with reasons; ``summary`` is the decision in one sentence.

    ``may_not_follow`` are candidates that the rules of spilling over keep from being tried when the first one fails.
    """

    candidates: tuple[Candidate, ...]
    rejected: tuple[Rejection, ...]
    summary: str
    may_not_follow: frozenset[str] = frozenset()

    def to_try(self, retries: int) -> list[Candidate]:
        """The candidates for one start: the first, and at most ``retries`` that may take its place when it fails."""
        return [each for each in self.candidates if each.site not in self.may_not_follow][: 1 + retries]

    def explanation(self) -> Explanation:
        """The ranking as it is kept with the lease and shown to people."""
        return Explanation(summary=self.summary, candidates=list(self.candidates), rejected=list(self.rejected))
