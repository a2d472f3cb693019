"""The decision in one sentence that a scientist understands."""

from __future__ import annotations

from collections.abc import Sequence

from perijove_hub.placement.look import Rejected, Suitable
from perijove_hub.placement.models import Wish
from perijove_hub.placement.words import format_bytes, listed

#: A sentence about more sites than these is read by nobody.
MOST_LOSERS = 4


def sentence_for(wish: Wish, ranked: Sequence[Suitable], best: Suitable) -> str:
    """Why the first of ``ranked`` is the place; ``best`` would be it if nothing that passes were in its way."""
    first, others = ranked[0], ranked[1:]
    if best.in_the_way:
        return _in_place_of(wish, best, first)
    goods = first.goods
    sentence = f"{first.title}: it {goods[0]}"
    movers = [other.travel.moved_bytes for other in others]
    if movers and min(movers) > first.travel.moved_bytes:
        # once where the least and the most look alike
        moved = " to ".join(dict.fromkeys([format_bytes(min(movers)), format_bytes(max(movers))]))
        return f"{sentence}; the other site{'s' if len(others) > 1 else ''} would move {moved}"
    if first.travel.moved_bytes:
        return f"{sentence}; {format_bytes(first.travel.moved_bytes)} would be moved there"
    return f"{sentence} and {goods[1]}" if len(goods) > 1 else sentence


def sentence_for_none(wish: Wish, rejected: Sequence[Rejected], forbidden: Sequence[str]) -> str:
    """Why no site can run it: what is in the way of each, and why others may not take the place of the best."""
    # who insists on a site wants to know about that one; else first what may pass, since waiting helps there
    asked = [loser for loser in rejected if loser.site.name == wish.site]
    losers = asked or sorted(rejected, key=lambda loser: (loser.lasting, loser.site.name))
    parts = [f"{loser.site.policy.title} {loser.reasons[0].rstrip('.')}" for loser in losers]
    parts += dict.fromkeys(forbidden)
    more = len(parts) - MOST_LOSERS
    if more > 1:
        parts = [*parts[:MOST_LOSERS], f"{more} more cannot either"]
    return f"No site can run this now: {'; '.join(parts)}."


def _in_place_of(wish: Wish, best: Suitable, first: Suitable) -> str:
    epithet = "the first choice"
    if best.travel.moved_bytes < first.travel.moved_bytes:
        epithet = "the nearest"
    elif best.site.name == wish.home_site and not wish.without_home:
        epithet = "where your home is"
    said = [first.goods[0], first.moving] if first.moving else first.goods[:2]
    return f"{first.title}: {best.title}, {epithet}, {best.state}; this one {listed(said)}"
