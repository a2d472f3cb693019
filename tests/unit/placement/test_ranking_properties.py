from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from perijove.models import Resources
from perijove_hub.placement import DatasetFacts, SiteFacts, SiteHealth, Wish, rank_sites
from perijove_hub.policy.models import LocalSite, Weights
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
                )
            ),
            health=draw(st.sampled_from(SiteHealth)),
            held_cpu=draw(st.floats(0, 8)),
            held_memory_gib=draw(st.floats(0, 16)),
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
        )
        for number in range(draw(st.integers(0, 4)))
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
    weights=st.builds(Weights, data=st.floats(0, 10), load=st.floats(0, 10), home=st.floats(0, 10)),
)


@given(wishes, sites())
def test_every_site_is_ranked_or_rejected_with_a_reason(wish: Wish, facts: list[SiteFacts]) -> None:
    ranking = rank_sites(wish, facts)
    ranked = [candidate.site for candidate in ranking.candidates]
    rejected = [rejection.site for rejection in ranking.rejected]
    assert sorted(ranked + rejected) == sorted(site.name for site in facts)
    assert all(item.reasons for item in (*ranking.candidates, *ranking.rejected))
    assert all(0 <= candidate.score <= 1 for candidate in ranking.candidates)
    assert [c.score for c in ranking.candidates] == sorted((c.score for c in ranking.candidates), reverse=True)
    assert ranking.summary


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
