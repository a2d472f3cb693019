"""The ranking: filters, then weighted scorers, then a stable order. Deterministic for the same facts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from perijove.models import Candidate, Rejection
from perijove_hub.placement.look import Rejected, Suitable, look_at
from perijove_hub.placement.models import Ranking, SiteFacts, Wish
from perijove_hub.placement.spill import forbidden
from perijove_hub.placement.summary import sentence_for, sentence_for_none


def rank_sites(wish: Wish, sites: Sequence[SiteFacts]) -> Ranking:
    """Rank the sites for a wish.

    The score of a site is the mean of its scorers' values under the weights of the platform file, 0 to 1. Ties are
    broken by a stable hash of owner and site, so that equal sites share the owners among them.

    The best site is the one that would win if what passes by itself (down, closed, full, at a limit) were not in its
    way. When it is, another may take its place as far as the platform's rules of spilling over let it.
    """
    by_name = {site.name: site for site in sites}
    looks = [look_at(wish, site, by_name) for site in sites]
    suitable = [look for look in looks if isinstance(look, Suitable)]
    rejected = [look for look in looks if isinstance(look, Rejected)]
    rejected += [Rejected(look.site, look.in_the_way, lasting=False) for look in suitable if look.in_the_way]
    ready = [look for look in suitable if not look.in_the_way]
    best = _ranked(wish, suitable)[0][1] if suitable else None
    refusals: dict[str, list[str]] = {}
    if best is not None and best.in_the_way:
        refusals = {other.site.name: why for other in ready if (why := forbidden(wish, best, other))}
        ready = [other for other in ready if other.site.name not in refusals]
    ranked = _ranked(wish, ready)
    if best is not None and ranked:
        summary = sentence_for(wish, [look for _, look in ranked], best)
    else:
        summary = sentence_for_none(wish, rejected, [why for reasons in refusals.values() for why in reasons])
    candidates = tuple(
        Candidate(
            site=look.site.name,
            title=look.title,
            score=score,
            reasons=list(look.reasons),
            cost_hour=round(look.cost_hour, 6),
        )
        for score, look in ranked
    )
    return Ranking(candidates, _rejections(rejected, refusals, best, by_name), summary)


def _ranked(wish: Wish, sites: Sequence[Suitable]) -> list[tuple[float, Suitable]]:
    """Sites with their scores beside each other, the best first."""
    cheapest = min((site.cost for site in sites), default=0.0)
    scored = [(site.total(wish, cheapest), site) for site in sites]
    return sorted(scored, key=lambda item: (-item[0], _tie_break(wish.owner, item[1].site.name)))


def _rejections(
    rejected: Sequence[Rejected],
    refusals: dict[str, list[str]],
    best: Suitable | None,
    sites: dict[str, SiteFacts],
) -> tuple[Rejection, ...]:
    said = {loser.site.name: list(loser.reasons) for loser in rejected}
    if best is not None:
        said |= {
            name: [f"{best.title} {best.state}, and {why}" for why in reasons] for name, reasons in refusals.items()
        }
    return tuple(
        Rejection(site=name, title=sites[name].policy.title, reasons=reasons) for name, reasons in sorted(said.items())
    )


def _tie_break(owner: str, site: str) -> bytes:
    return hashlib.blake2b(f"{owner}\0{site}".encode(), digest_size=8).digest()
