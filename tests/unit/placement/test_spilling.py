from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perijove_hub.placement import DatasetFacts, Ranking, SiteFacts, SiteHealth, Wish, rank_sites
from perijove_hub.policy.models import LocalSite, Profile, Spill
from tests.support.platforms import GIB, profile, site

STANDARD = Profile.model_validate(profile()).resources
SKY = DatasetFacts("sky", 10 * GIB, frozenset({"esac"}), frozenset(), {"eu-es-madrid": {"default": 0.09}})

FULL = {"held_cpu": 8}
DOWN = {"health": SiteHealth.DOWN}
CLOSED = {"closed": "takes no starts until Monday: cooling"}
AT_LIMIT = {"over_limit": "is beyond a limit: 4 of 4 sessions used."}


def esac(held: dict[str, Any] | None = None, **more: Any) -> SiteFacts:
    """Holds the data; its hour costs 0.10."""
    policy = site("ESAC", "eu-es-madrid", price={"cpu_hour": 0.1}, **more)
    return SiteFacts("esac", LocalSite.model_validate(policy), **(held or {}))


def cloud(held: dict[str, Any] | None = None, **more: Any) -> SiteFacts:
    """Has room; its hour costs 0.30, and moving the data there 0.90."""
    policy = site("Cloud EU", "eu-de-1", cpu=16, **{"price": {"cpu_hour": 0.3}, **more})
    return SiteFacts("cloud-eu", LocalSite.model_validate(policy), **(held or {}))


def rank(*sites: SiteFacts, spill: dict[str, Any] | None = None, **wish: Any) -> Ranking:
    said = {"owner": "ana", "groups": frozenset({"astro"}), "resources": STANDARD, "datasets": (SKY,), **wish}
    return rank_sites(Wish(spill=Spill.model_validate(spill or {}), currency="EUR", **said), sites)


def candidates(ranking: Ranking) -> list[str]:
    return [candidate.site for candidate in ranking.candidates]


def rejections(ranking: Ranking) -> dict[str, list[str]]:
    return {rejection.site: rejection.reasons for rejection in ranking.rejected}


@pytest.mark.parametrize(
    ("held", "state"),
    [(FULL, "is full"), (DOWN, "is down"), (CLOSED, "takes no starts now"), (AT_LIMIT, "has reached its limit")],
)
def test_another_site_takes_the_place_of_the_best_and_the_sentence_says_so(held: dict[str, Any], state: str) -> None:
    ranking = rank(esac(held), cloud())
    assert candidates(ranking) == ["cloud-eu"]
    assert ranking.summary == (
        f"Cloud EU: ESAC, the nearest, {state}; "
        "this one has 16 of 16 cores free and would move 10.0 GiB at 0.90 EUR for egress"
    )


@pytest.mark.parametrize(
    ("held", "state"),
    [(FULL, "is full"), (DOWN, "is down"), (CLOSED, "takes no starts now"), (AT_LIMIT, "has reached its limit")],
)
def test_a_platform_may_forbid_it(held: dict[str, Any], state: str) -> None:
    ranking = rank(esac(held), cloud(), spill={"allowed": False})
    assert candidates(ranking) == []
    assert rejections(ranking)["cloud-eu"] == [f"ESAC {state}, and other sites may not take its place"]


@pytest.mark.parametrize(
    ("spill", "reasons"),
    [
        ({}, []),
        ({"groups": ["astro"]}, []),
        ({"groups": ["*"]}, []),
        ({"groups": []}, ["other sites may not take its place"]),
        ({"groups": ["staff"]}, ["other sites may take its place only for staff"]),
        ({"groups": ["staff", "euclid"]}, ["other sites may take its place only for staff and euclid"]),
        ({"max_cost_factor": 3}, []),
        ({"max_cost_factor": 2.5}, ["Cloud EU costs 0.30 EUR an hour, more than 2.5 times the 0.10 EUR there"]),
        ({"max_cost_factor": 1}, ["Cloud EU costs 0.30 EUR an hour, more than the 0.10 EUR there"]),
        ({"max_egress_cost": 0.9}, []),
        ({"max_egress_cost": 0.5}, ["moving the data to Cloud EU costs 0.90 EUR, more than the 0.50 EUR allowed"]),
        ({"max_egress_cost": 0}, ["moving the data to Cloud EU costs 0.90 EUR, more than the 0.00 EUR allowed"]),
        (
            {"max_cost_factor": 2, "max_egress_cost": 0.5},
            [
                "Cloud EU costs 0.30 EUR an hour, more than 2 times the 0.10 EUR there",
                "moving the data to Cloud EU costs 0.90 EUR, more than the 0.50 EUR allowed",
            ],
        ),
    ],
)
def test_it_may_be_for_some_and_up_to_a_price(spill: dict[str, Any], reasons: list[str]) -> None:
    ranking = rank(esac(FULL), cloud(), spill=spill)
    assert candidates(ranking) == ([] if reasons else ["cloud-eu"])
    assert rejections(ranking).get("cloud-eu", []) == [f"ESAC is full, and {reason}" for reason in reasons]


def test_what_nobody_knows_the_price_of_is_not_moved_where_a_price_is_the_most() -> None:
    sky = DatasetFacts("sky", 10 * GIB, frozenset({"esac"}), frozenset(), {})
    ranking = rank(esac(FULL), cloud(), datasets=(sky,), spill={"max_egress_cost": 0.5})
    assert rejections(ranking)["cloud-eu"] == [
        "ESAC is full, and what moving sky to Cloud EU costs is not known, and no more than 0.50 EUR is allowed"
    ]
    ranking = rank(esac(FULL), cloud(), datasets=(sky,))
    assert ranking.summary.endswith("would move 10.0 GiB at a cost that is not known")
    ranking = rank(esac(FULL), cloud(), datasets=(replace(sky, id="more"), SKY))
    assert ranking.summary.endswith("would move 20.0 GiB at 0.90 EUR for egress and more that is not known")


def test_a_site_that_costs_something_may_not_take_the_place_of_a_free_one_by_price() -> None:
    free = SiteFacts("esac", LocalSite.model_validate(site("ESAC", "eu-es-madrid")), held_cpu=8)
    ranking = rank(free, cloud(), spill={"max_cost_factor": 100})
    assert rejections(ranking)["cloud-eu"] == ["ESAC is full, and Cloud EU costs 0.30 EUR an hour instead of nothing"]
    assert candidates(rank(free, cloud(price={}), spill={"max_cost_factor": 1})) == ["cloud-eu"]


@pytest.mark.parametrize(
    ("spill", "summary"),
    [
        ({"allowed": False}, "other sites may not take its place"),
        ({"max_cost_factor": 2}, "Cloud EU costs 0.30 EUR an hour, more than 2 times the 0.10 EUR there"),
    ],
)
def test_who_gets_no_site_reads_what_is_in_the_way_of_the_best_and_of_the_others(
    spill: dict[str, Any], summary: str
) -> None:
    assert rank(esac(FULL), cloud(), spill=spill).summary == (
        f"No site can run this now: ESAC has 0 of 8 cores free, and 1 is needed; {summary}."
    )


def test_what_holds_for_all_the_others_is_said_once() -> None:
    other = SiteFacts("moon", LocalSite.model_validate(site("Moon", "moon")))
    assert rank(esac(AT_LIMIT), cloud(), other, spill={"allowed": False}).summary == (
        "No site can run this now: ESAC is beyond a limit: 4 of 4 sessions used; other sites may not take its place."
    )


@pytest.mark.parametrize(
    ("wish", "best", "epithet"),
    [
        ({}, esac(FULL), "the nearest"),
        ({"datasets": (), "home_site": "esac"}, esac({"closed": "is drained"}), "where your home is"),
        ({"datasets": ()}, esac({"closed": "is drained"}), "the first choice"),
    ],
)
def test_the_sentence_says_why_another_site_would_have_been_better(
    wish: dict[str, Any], best: SiteFacts, epithet: str
) -> None:
    ranking = rank(best, cloud(mounts_homes_of=["esac"]), **wish)
    assert f"Cloud EU: ESAC, {epithet}, " in ranking.summary


def test_without_anything_to_move_the_sentence_gives_two_good_reasons() -> None:
    ranking = rank(esac({"closed": "is drained"}), cloud(), datasets=())
    assert ranking.summary == (
        "Cloud EU: ESAC, the first choice, takes no starts now; "
        "this one has 16 of 16 cores free and costs 0.30 EUR an hour"
    )


def test_the_rules_are_only_for_taking_the_place_of_a_better_site() -> None:
    strict = {"allowed": False}
    # the best can take it: the others stay behind it, for a start that fails
    assert candidates(rank(esac(), cloud(), spill=strict)) == ["esac", "cloud-eu"]
    # the full site would not have been the best: nobody takes its place
    elsewhere = DatasetFacts("sky", 10 * GIB, frozenset({"cloud-eu"}), frozenset(), {})
    assert candidates(rank(esac(FULL), cloud(), spill=strict, datasets=(elsewhere,))) == ["cloud-eu"]
    # what never could run it is not the best either
    assert candidates(rank(esac(groups=["staff"]), cloud(), spill=strict)) == ["cloud-eu"]
    assert candidates(rank(esac({**FULL}, groups=["staff"]), cloud(), spill=strict)) == ["cloud-eu"]


@pytest.mark.parametrize(
    ("spill", "tried"),
    [
        ({}, ["esac", "moon"]),
        ({"max_cost_factor": 1.5}, ["esac", "moon"]),
        ({"max_cost_factor": 1}, ["esac"]),
        ({"allowed": False}, ["esac"]),
        ({"groups": ["staff"]}, ["esac"]),
        ({"max_egress_cost": 0}, ["esac"]),
    ],
)
def test_a_start_that_fails_goes_on_within_the_rules_too(spill: dict[str, Any], tried: list[str]) -> None:
    moon = SiteFacts("moon", LocalSite.model_validate(site("Moon", "moon", price={"cpu_hour": 0.15})))
    ranking = rank(esac(), moon, cloud(), spill=spill)
    assert candidates(ranking) == ["esac", "moon", "cloud-eu"]
    assert [candidate.site for candidate in ranking.to_try(1)] == tried
    assert [candidate.site for candidate in ranking.to_try(0)] == ["esac"]


def test_what_takes_the_place_of_a_full_site_is_measured_by_that_site_alone() -> None:
    # both are within three times the price of the full site, and one is more than 1.5 times as dear as the other
    moon = SiteFacts("moon", LocalSite.model_validate(site("Moon", "moon", price={"cpu_hour": 0.15})))
    ranking = rank(esac(FULL), moon, cloud(), spill={"max_cost_factor": 3})
    assert [candidate.site for candidate in ranking.to_try(5)] == ["moon", "cloud-eu"]
    assert rank(esac(groups=["staff"])).to_try(2) == []


def test_who_insists_on_a_site_is_told_of_that_one_and_sent_nowhere_else() -> None:
    ranking = rank(esac(FULL), cloud(), site="esac")
    assert candidates(ranking) == []
    assert rejections(ranking) == {
        "cloud-eu": ["you asked for ESAC"],
        "esac": ["has 0 of 8 cores free, and 1 is needed"],
    }
    assert ranking.summary == "No site can run this now: ESAC has 0 of 8 cores free, and 1 is needed."


def test_who_insists_on_another_site_gets_it_whatever_is_best() -> None:
    ranking = rank(esac(FULL), cloud(), site="cloud-eu", spill={"allowed": False})
    assert candidates(ranking) == ["cloud-eu"]
    assert ranking.summary == "Cloud EU: it has 16 of 16 cores free; 10.0 GiB would be moved there"


def test_the_others_are_ranked_among_themselves() -> None:
    cheaper = SiteFacts(
        "moon", LocalSite.model_validate(site("Moon", "moon", cpu=16, price={"cpu_hour": 0.15})), health=SiteHealth.UP
    )
    ranking = rank(esac(DOWN), cloud(), cheaper, spill={"max_cost_factor": 3})
    assert candidates(ranking) == ["moon", "cloud-eu"]
    assert candidates(rank(esac(DOWN), cloud(), cheaper, spill={"max_cost_factor": 2})) == ["moon"]
