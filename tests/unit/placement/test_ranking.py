from __future__ import annotations

from typing import Any

import pytest

from perijove_hub.placement import DatasetFacts, Ranking, SiteFacts, SiteHealth, Wish, rank_sites
from perijove_hub.placement.words import format_bytes, listed
from perijove_hub.policy.models import LocalSite, Profile, Weights
from tests.support.platforms import GIB, profile, site

STANDARD = Profile.model_validate(profile()).resources
EGRESS = {"default": 0.0}


def facts(name: str, title: str, region: str, held: dict[str, Any] | None = None, **more: Any) -> SiteFacts:
    return SiteFacts(name, LocalSite.model_validate(site(title, region, **more)), **(held or {}))


ESAC = facts("esac", "ESAC", "eu-es-madrid")
CLOUD = facts("cloud-eu", "Cloud EU", "eu-de-1", cpu=16)


def dataset(
    name: str, size_bytes: int | None, *sites: str, regions: tuple[str, ...] = (), **prices: Any
) -> DatasetFacts:
    return DatasetFacts(name, size_bytes, frozenset(sites), frozenset(regions), prices or {"elsewhere": EGRESS})


def rank(*datasets: DatasetFacts, sites: tuple[SiteFacts, ...] = (ESAC, CLOUD), **wish: Any) -> Ranking:
    return rank_sites(
        Wish(**{"owner": "ana", "groups": frozenset(), "resources": STANDARD, "datasets": datasets, **wish}), sites
    )


def order(ranking: Ranking) -> list[str]:
    return [candidate.site for candidate in ranking.candidates]


def reasons(ranking: Ranking) -> dict[str, list[str]]:
    return {candidate.site: candidate.reasons for candidate in ranking.candidates}


EUCLID = dataset("euclid-demo", GIB, "esac")


def test_a_session_goes_to_its_data_and_the_sentence_says_so() -> None:
    ranking = rank(EUCLID)
    assert order(ranking) == ["esac", "cloud-eu"]
    assert ranking.summary == "ESAC: it holds euclid-demo; the other site would move 1.0 GiB"
    assert reasons(ranking) == {
        "esac": ["holds euclid-demo", "has 8 of 8 cores free"],
        "cloud-eu": ["would move 1.0 GiB", "has 16 of 16 cores free"],
    }


def test_the_explanation_is_the_ranking_in_the_same_words() -> None:
    ranking = rank(EUCLID, site="esac")
    said = ranking.explanation()
    assert said.summary == ranking.summary == "ESAC: it holds euclid-demo and has 8 of 8 cores free"
    assert [candidate.model_dump() for candidate in said.candidates] == [
        {
            "site": "esac",
            "title": "ESAC",
            "score": 1.0,
            "reasons": ["holds euclid-demo", "has 8 of 8 cores free"],
        }
    ]
    assert [rejection.model_dump() for rejection in said.rejected] == [
        {"site": "cloud-eu", "title": "Cloud EU", "reasons": ["you asked for ESAC"]}
    ]


@pytest.mark.parametrize(
    ("ranking", "summary"),
    [
        (rank(sites=(ESAC,)), "ESAC: it has 8 of 8 cores free"),
        (rank(sites=(ESAC,), home_site="esac"), "ESAC: it holds your home and has 8 of 8 cores free"),
        (
            rank(EUCLID, dataset("sdss", 4 * GIB, "cloud-eu")),
            "Cloud EU: it holds sdss; the other site would move 4.0 GiB",
        ),
        (
            rank(EUCLID, sites=(ESAC, CLOUD, facts("x", "X", "x"))),
            "ESAC: it holds euclid-demo; the other sites would move 1.0 GiB",
        ),
        (
            rank(EUCLID, dataset("b", GIB, "esac", "x"), sites=(ESAC, CLOUD, facts("x", "X", "x"))),
            "ESAC: it holds euclid-demo and b; the other sites would move 1.0 GiB to 2.0 GiB",
        ),
        (rank(EUCLID, sites=(CLOUD,)), "Cloud EU: it has 16 of 16 cores free; 1.0 GiB would be moved there"),
        (
            rank(sites=(facts("esac", "ESAC", "r", {"health": SiteHealth.DOWN}), facts("c", "C", "r", cpu=0.5))),
            "No site can run this now: C has 0.5 cores in all, and 1 are needed; ESAC does not answer.",
        ),
        (
            rank(site="c", sites=(ESAC, facts("c", "Cloud", "r", cpu=0.5))),
            "No site can run this now: Cloud has 0.5 cores in all, and 1 are needed.",
        ),
    ],
)
def test_the_decision_is_one_sentence(ranking: Ranking, summary: str) -> None:
    assert ranking.summary == summary


def test_a_copy_in_the_region_of_a_site_is_near() -> None:
    ranking = rank(dataset("euclid-demo", GIB, regions=("eu-de-1",)))
    assert order(ranking) == ["cloud-eu", "esac"]


def test_a_dataset_of_unknown_size_still_pulls() -> None:
    assert rank(dataset("d", None, "esac")).summary == "ESAC: it holds d; the other site would move 1.0 GiB"


def test_an_empty_dataset_moves_nothing() -> None:
    ranking = rank(dataset("d", 0, "esac"))
    assert reasons(ranking)["cloud-eu"][0] == "would move 0 B"
    assert {candidate.score for candidate in ranking.candidates} == {1.0}


def test_the_price_of_moving_is_that_of_the_cheapest_copy() -> None:
    prices = {"us": {"default": 0.09}, "eu": {"default": 0.09, "eu-de-1": 0.02}}
    ranking = rank(dataset("d", 100 * GIB, "esac", **prices))
    assert reasons(ranking)["cloud-eu"][0] == "would move 100.0 GiB at 2.00 for egress"


def test_the_busier_site_is_worse() -> None:
    busy = facts("esac", "ESAC", "r", {"held_cpu": 2, "held_memory_gib": 12})
    ranking = rank(sites=(busy, facts("cloud-eu", "Cloud EU", "r")))
    assert order(ranking) == ["cloud-eu", "esac"]
    # three quarters of the memory are held: a quarter of the weight of load is left, and all of home's
    assert ranking.candidates[1].score == pytest.approx((3 * 0.25 + 2 * 1) / 10)
    assert reasons(ranking)["esac"] == ["has 6 of 8 cores free"]


def test_the_site_of_the_home_is_better_than_one_that_mounts_it() -> None:
    mounts = facts("cloud-eu", "Cloud EU", "r", mounts_homes_of=["esac"])
    ranking = rank(home_site="esac", sites=(mounts, facts("esac", "ESAC", "r")))
    assert order(ranking) == ["esac", "cloud-eu"]
    assert reasons(ranking)["cloud-eu"][0] == "mounts your home"


def test_the_weights_decide_what_counts() -> None:
    assert order(rank(EUCLID, weights=Weights(data=1, load=0, home=0)))[0] == "esac"
    emptier = facts("esac", "ESAC", "r", {"held_cpu": 1})
    assert order(rank(EUCLID, sites=(emptier, CLOUD), weights=Weights(data=0, load=1, home=0)))[0] == "cloud-eu"


def test_without_any_weight_all_sites_are_as_good() -> None:
    ranking = rank(EUCLID, weights=Weights(data=0, load=0, home=0))
    assert [candidate.score for candidate in ranking.candidates] == [0.0, 0.0]


def test_equal_sites_share_the_owners_among_them_and_keep_each() -> None:
    twins = (facts("a", "A", "r"), facts("b", "B", "r"))
    firsts = [order(rank(sites=twins, owner=f"user{number}"))[0] for number in range(200)]
    assert 60 < firsts.count("a") < 140
    assert firsts == [order(rank(sites=twins[::-1], owner=f"user{number}"))[0] for number in range(200)]


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (2048, "2 KiB"),
        (5 * 2**20, "5 MiB"),
        (int(1.1 * GIB), "1.1 GiB"),
        (3e15, "2728.5 TiB"),
    ],
)
def test_sizes_are_for_people(size_bytes: float, text: str) -> None:
    assert format_bytes(size_bytes) == text


def test_lists_are_for_people() -> None:
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
