"""The ranking: filters, then weighted scorers, then a stable order. Deterministic for the same facts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from perijove.models import Candidate, Rejection
from perijove_hub.placement.filters import FILTERS
from perijove_hub.placement.models import Ranking, SiteFacts, Wish
from perijove_hub.placement.scorers import Score, score_data, score_home, score_load
from perijove_hub.placement.words import format_bytes


@dataclass(frozen=True)
class _Scored:
    site: SiteFacts
    total: float
    data: Score
    load: Score
    home: Score

    @property
    def reasons(self) -> list[str]:
        return [*self.data.reasons, *self.home.reasons, *self.load.reasons]


def rank_sites(wish: Wish, sites: Sequence[SiteFacts]) -> Ranking:
    """Rank the sites for a wish.

    The score of a site is the mean of its scorers' values under the weights of the platform file, 0 to 1. Ties are
    broken by a stable hash of owner and site, so that equal sites share the owners among them.
    """
    by_name = {site.name: site for site in sites}
    scored, rejected = [], []
    for site in sites:
        reasons = [reason for check in FILTERS if (reason := check(wish, site, by_name))]
        if reasons:
            rejected.append(Rejection(site=site.name, title=site.policy.title, reasons=reasons))
        else:
            scored.append(_score(wish, site))
    scored.sort(key=lambda s: (-s.total, _tie_break(wish.owner, s.site.name)))
    candidates = tuple(
        Candidate(site=s.site.name, title=s.site.policy.title, score=s.total, reasons=s.reasons) for s in scored
    )
    rejected.sort(key=lambda rejection: rejection.site)
    return Ranking(candidates, tuple(rejected), _summary(wish, scored, rejected))


def _score(wish: Wish, site: SiteFacts) -> _Scored:
    data, load, home = score_data(wish, site), score_load(wish, site), score_home(wish, site)
    weights = wish.weights
    total_weight = weights.data + weights.load + weights.home
    weighted = weights.data * data.value + weights.load * load.value + weights.home * home.value
    # rounded, so that the order never hangs on the last bit of a sum
    return _Scored(site, round(weighted / total_weight, 6) if total_weight else 0.0, data, load, home)


def _tie_break(owner: str, site: str) -> bytes:
    return hashlib.blake2b(f"{owner}\0{site}".encode(), digest_size=8).digest()


def _summary(wish: Wish, scored: Sequence[_Scored], rejected: Sequence[Rejection]) -> str:
    if not scored:
        # who insists on a site wants to know about that one
        asked = [rejection for rejection in rejected if rejection.site == wish.site]
        losers = "; ".join(f"{loser.title} {loser.reasons[0]}" for loser in asked or rejected)
        return f"No site can run this now: {losers}."
    best, others = scored[0], scored[1:]
    goods = [reason for reason in best.reasons if not reason.startswith("would move")]
    sentence = f"{best.site.policy.title}: it {goods[0]}"
    movers = [other.data.moved_bytes for other in others]
    if movers and min(movers) > best.data.moved_bytes:
        moved = format_bytes(min(movers))
        if max(movers) > min(movers):
            moved = f"{moved} to {format_bytes(max(movers))}"
        return f"{sentence}; the other site{'s' if len(others) > 1 else ''} would move {moved}"
    if best.data.moved_bytes:
        return f"{sentence}; {format_bytes(best.data.moved_bytes)} would be moved there"
    return f"{sentence} and {goods[1]}" if len(goods) > 1 else sentence
