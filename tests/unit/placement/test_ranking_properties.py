from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from perijove.models import Resources
from perijove_hub.placement import DatasetFacts, SiteFacts, SiteHealth, Wish, rank_sites
from perijove_hub.placement.filters import FILTERS, Filter
from perijove_hub.placement.scorers import travel_of
from perijove_hub.policy.models import LocalSite, Spill, Weights
from tests.support.platforms import site

NAMES = ["a", "b", "c", "d"]


@st.composite
def sites(draw: st.DrawFn) -> list[SiteFacts]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    return [
        SiteFacts(
            name,
            LocalSite.model_validate(
                site(
                    name.upper(),
                    f"region-{name}",
                    cpu=draw(st.sampled_from([1, 4, 64])),
                    homes=draw(st.booleans()),
                    mounts_homes_of=draw(st.lists(st.sampled_from(NAMES), unique=True)),
                    groups=draw(st.sampled_from([["*"], ["euclid"]])),
                    price={"cpu_hour": draw(st.sampled_from([0, 0.01, 0.1, 2.5]))},
                    egress_price_gib={"default": draw(st.sampled_from([0, 0.09]))},
                    images=draw(st.sampled_from([None, [], ["lab:1"]])),
                    labels=draw(st.sampled_from([{}, {"gpu": "a100"}])),
                    latency_ms=draw(st.sampled_from([0, 20, 400])),
                )
            ),
            health=draw(st.sampled_from(SiteHealth)),
            held_cpu=draw(st.floats(0, 8)),
            held_memory_gib=draw(st.floats(0, 16)),
            closed=draw(st.sampled_from(["", "", "is drained"])),
            over_limit=draw(st.sampled_from(["", "", "is at its limit"])),
        )
        for name in names
    ]


@st.composite
def datasets(draw: st.DrawFn) -> tuple[DatasetFacts, ...]:
    return tuple(
        DatasetFacts(
            id=f"data-{number}",
            size_bytes=draw(st.none() | st.integers(0, 2**50)),
            sites=frozenset(draw(st.sets(st.sampled_from(NAMES)))),
            regions=frozenset(),
            replica_prices_gib={"region-a": {"default": draw(st.floats(0, 1))}},
            stays_in=draw(st.sampled_from([None, None, frozenset({"region-a", "region-b", "region-c"})])),
        )
        for number in range(draw(st.integers(0, 4)))
    )


weights = st.builds(
    Weights,
    data=st.floats(0, 10),
    load=st.floats(0, 10),
    cost=st.floats(0, 10),
    home=st.floats(0, 10),
    latency=st.floats(0, 10),
)

spills = st.builds(
    Spill,
    allowed=st.booleans(),
    groups=st.sampled_from([["*"], ["euclid"], []]),
    max_cost_factor=st.sampled_from([None, 1, 5]),
    max_egress_cost=st.sampled_from([None, 0, 10]),
)

wishes = st.builds(
    Wish,
    owner=st.text(max_size=8),
    groups=st.sampled_from([frozenset(), frozenset({"euclid"})]),
    resources=st.builds(Resources, cpu=st.floats(0.1, 8), memory_gib=st.floats(0.1, 16)),
    datasets=datasets(),
    site=st.none() | st.sampled_from(NAMES),
    home_site=st.none() | st.sampled_from(NAMES),
    without_home=st.booleans(),
    weights=weights,
    image=st.sampled_from([None, None, "lab:1"]),
    requires=st.sampled_from([{}, {}, {"gpu": "a100"}]),
    spill=spills,
)


def against(wish: Wish, facts: list[SiteFacts]) -> dict[str, list[Filter]]:
    """The filters that reject each site, whatever the rules of spilling over are."""
    by_name = {site.name: site for site in facts}
    return {site.name: [check for check in FILTERS if check(wish, site, by_name)] for site in facts}


@given(wishes, sites())
def test_every_site_is_ranked_or_rejected_with_a_reason(wish: Wish, facts: list[SiteFacts]) -> None:
    ranking = rank_sites(wish, facts)
    ranked = [candidate.site for candidate in ranking.candidates]
    rejected = [rejection.site for rejection in ranking.rejected]
    assert sorted(ranked + rejected) == sorted(site.name for site in facts)
    assert all(item.reasons for item in (*ranking.candidates, *ranking.rejected))
    assert all(candidate.cost_hour == hourly(wish, facts, candidate.site) for candidate in ranking.candidates)
    assert all(0 <= candidate.score <= 1 for candidate in ranking.candidates)
    assert [c.score for c in ranking.candidates] == sorted((c.score for c in ranking.candidates), reverse=True)
    assert ranking.summary
    assert "\n" not in ranking.summary


def hourly(wish: Wish, facts: list[SiteFacts], name: str) -> float:
    return next(round(site.policy.price.hourly(wish.resources), 6) for site in facts if site.name == name)


@given(wishes, sites())
def test_what_a_filter_is_against_is_no_candidate_whatever_else_is_said(wish: Wish, facts: list[SiteFacts]) -> None:
    ranked = {candidate.site for candidate in rank_sites(wish, facts).candidates}
    assert ranked <= {name for name, found in against(wish, facts).items() if not found}
    if wish.site is not None:
        assert ranked <= {wish.site}


@given(wishes, sites(), spills)
def test_rules_of_spilling_over_only_take_away_and_never_reorder(
    wish: Wish, facts: list[SiteFacts], spill: Spill
) -> None:
    freely = [candidate.site for candidate in rank_sites(replace(wish, spill=Spill()), facts).candidates]
    assert sorted(freely) == sorted(name for name, found in against(wish, facts).items() if not found)
    ranking = rank_sites(replace(wish, spill=spill), facts)
    bound = [candidate.site for candidate in ranking.candidates]
    assert set(bound) <= set(freely)
    taken = set(freely) - set(bound)
    assert all(", and " in r.reasons[0] for r in ranking.rejected if r.site in taken)
    if not spill.allowed:
        # either the best site can take it, and all who can stay; or nobody takes its place
        assert bound in ([], freely)


@given(wishes, sites())
def test_a_place_is_taken_within_the_rules_and_only_when_the_best_site_cannot(
    wish: Wish, facts: list[SiteFacts]
) -> None:
    facts = [replace(site, held_cpu=0, held_memory_gib=0) for site in facts]
    unhindered = [replace(site, health=SiteHealth.UP, closed="", over_limit="") for site in facts]
    ideal = rank_sites(wish, unhindered).candidates
    ready = {name for name, found in against(wish, facts).items() if not found}
    candidates = {candidate.site for candidate in rank_sites(wish, facts).candidates}
    if not ideal or ideal[0].site in ready:
        assert candidates == ready
        return
    spill, best = wish.spill, ideal[0]
    may = spill.allowed and ("*" in spill.groups or bool(wish.groups.intersection(spill.groups)))
    assert candidates == {
        site.name
        for site in facts
        if site.name in ready
        and may
        and (
            spill.max_cost_factor is None
            or hourly(wish, facts, site.name) <= spill.max_cost_factor * best.cost_hour + 1e-6
        )
        and (spill.max_egress_cost is None or travel_of(wish, site).egress_cost <= spill.max_egress_cost + 1e-6)
    }


@given(wishes, sites(), st.data())
def test_a_higher_price_never_improves_the_rank_of_a_site(
    wish: Wish, facts: list[SiteFacts], data: st.DataObject
) -> None:
    wish = replace(wish, spill=Spill())
    ranked = [candidate.site for candidate in rank_sites(wish, facts).candidates]
    if not ranked:
        return
    dearer = data.draw(st.sampled_from(ranked))
    extra = data.draw(st.floats(0.001, 100))
    changed = [with_price(site, site.policy.price.cpu_hour + extra) if site.name == dearer else site for site in facts]
    again = [candidate.site for candidate in rank_sites(wish, changed).candidates]
    assert again.index(dearer) >= ranked.index(dearer)


def with_price(site: SiteFacts, cpu_hour: float) -> SiteFacts:
    price = site.policy.price.model_copy(update={"cpu_hour": cpu_hour})
    return replace(site, policy=site.policy.model_copy(update={"price": price}))


@given(wishes, sites())
def test_the_same_facts_give_the_same_ranking(wish: Wish, facts: list[SiteFacts]) -> None:
    assert rank_sites(wish, facts) == rank_sites(wish, list(facts))


@given(wishes, sites(), st.randoms(use_true_random=False))
def test_the_ranking_hangs_on_the_facts_and_not_on_their_order(
    wish: Wish, facts: list[SiteFacts], random: Random
) -> None:
    shuffled = random.sample(facts, len(facts))
    assert rank_sites(wish, shuffled) == rank_sites(wish, facts)


@given(wishes, sites(), datasets(), st.data())
def test_more_bytes_at_a_site_never_lower_its_rank(
    wish: Wish, facts: list[SiteFacts], wanted: tuple[DatasetFacts, ...], data: st.DataObject
) -> None:
    wish = replace(wish, datasets=wanted)
    ranked = [candidate.site for candidate in rank_sites(wish, facts).candidates]
    if not ranked or not wanted:
        return
    favoured = data.draw(st.sampled_from(ranked))
    copied = data.draw(st.sampled_from(wanted))
    more = tuple(replace(d, sites=d.sites | {favoured}) if d is copied else d for d in wanted)
    again = [candidate.site for candidate in rank_sites(replace(wish, datasets=more), facts).candidates]
    assert again.index(favoured) <= ranked.index(favoured)


@given(wishes, sites(), st.data())
def test_a_bigger_dataset_never_lowers_the_site_that_alone_holds_all(
    wish: Wish, facts: list[SiteFacts], data: st.DataObject
) -> None:
    holder = data.draw(st.sampled_from(facts)).name
    size_bytes = data.draw(st.integers(0, 2**40))
    one = DatasetFacts("d", size_bytes, frozenset({holder}), frozenset(), {})
    ranks = []
    for extra_bytes in (0, data.draw(st.integers(1, 2**40))):
        grown = replace(one, size_bytes=size_bytes + extra_bytes)
        ranked = [c.site for c in rank_sites(replace(wish, datasets=(grown,)), facts).candidates]
        ranks.append(ranked.index(holder) if holder in ranked else None)
    assert ranks[0] is None or (ranks[1] is not None and ranks[1] <= ranks[0])
