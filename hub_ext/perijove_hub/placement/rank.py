"""The ranking: filters, then weighted scorers, then a stable order. Deterministic for the same facts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

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
    refusals = _refusals(wish, best, ready) if best is not None and best.in_the_way else {}
    ranked = _ranked(wish, [look for look in ready if look.site.name not in refusals])
    kept_back: dict[str, list[str]] = {}
    if ranked and best is not None and not best.in_the_way:
        # who may not take the place of a site that is full may not take it when the start fails there either
        kept_back = _refusals(wish, ranked[0][1], [look for _, look in ranked[1:]])
    return Ranking(
        candidates=tuple(_candidate(score, look) for score, look in ranked),
        rejected=_rejections(rejected, refusals, best, by_name),
        summary=_summary(wish, best, [look for _, look in ranked], rejected, refusals),
        may_not_follow=frozenset(kept_back),
    )


def _refusals(wish: Wish, best: Suitable, others: Iterable[Suitable]) -> dict[str, list[str]]:
    """Which of the others may not take the place of the best site, and why not."""
    return {other.site.name: why for other in others if (why := forbidden(wish, best, other))}


def _candidate(score: float, look: Suitable) -> Candidate:
    return Candidate(
        site=look.site.name,
        title=look.title,
        score=score,
        reasons=list(look.reasons),
        cost_hour=round(look.cost_hour, 6),
    )


def _summary(
    wish: Wish,
    best: Suitable | None,
    ranked: Sequence[Suitable],
    rejected: Sequence[Rejected],
    refusals: Mapping[str, list[str]],
) -> str:
    if best is not None and ranked:
        return sentence_for(wish, ranked, best)
    return sentence_for_none(wish, rejected, [why for reasons in refusals.values() for why in reasons])


def _ranked(wish: Wish, sites: Sequence[Suitable]) -> list[tuple[float, Suitable]]:
    """Sites with their scores beside each other, the best first."""
    cheapest = min((site.cost for site in sites), default=0.0)
    scored = [(site.total(wish, cheapest), site) for site in sites]
    return sorted(scored, key=lambda item: (-item[0], _tie_break(wish.owner, item[1].site.name)))


def _rejections(
    rejected: Sequence[Rejected],
    refusals: Mapping[str, list[str]],
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
