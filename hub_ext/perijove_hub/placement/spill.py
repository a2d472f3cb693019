"""Spilling over: whether a site may take the place of a better one that cannot take the workload now."""

from __future__ import annotations

from perijove_hub.placement.look import Suitable
from perijove_hub.placement.models import Wish
from perijove_hub.placement.words import listed
from perijove_hub.policy.models import EVERYBODY

#: Costs are sums of floats; what is exactly at a bound is within it.
TOLERANCE = 1e-9


def forbidden(wish: Wish, best: Suitable, other: Suitable) -> list[str]:
    """Why ``other`` may not take the place of ``best``, each in words that follow ``and``; empty: it may."""
    spill = wish.spill
    if not spill.allowed or not spill.groups:
        return ["other sites may not take its place"]
    if EVERYBODY not in spill.groups and wish.groups.isdisjoint(spill.groups):
        return [f"other sites may take its place only for {listed(spill.groups)}"]
    reasons = []
    factor, most = spill.max_cost_factor, spill.max_egress_cost
    if factor is not None and other.cost_hour > best.cost_hour * factor + TOLERANCE:
        times = f"{factor:g} times " if factor != 1 else ""
        beside = (
            f", more than {times}the {wish.money(best.cost_hour)} there" if best.cost_hour else " instead of nothing"
        )
        reasons.append(f"{other.title} costs {wish.money(other.cost_hour)} an hour{beside}")
    if most is not None and other.travel.egress_cost > most + TOLERANCE:
        cost = wish.money(other.travel.egress_cost)
        reasons.append(f"moving the data to {other.title} costs {cost}, more than the {wish.money(most)} allowed")
    elif most is not None and other.travel.unpriced:
        what = listed(other.travel.unpriced)
        reasons.append(
            f"what moving {what} to {other.title} costs is not known, and no more than {wish.money(most)} is allowed"
        )
    return reasons
