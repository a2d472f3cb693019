from __future__ import annotations

from typing import Any

import pytest

from perijove_hub.placement import DatasetFacts, Ranking, SiteFacts, SiteHealth, Wish, rank_sites
from perijove_hub.placement.words import either, format_bytes, format_money, listed
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
            "cost_hour": 0.0,
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
            "No site can run this now: ESAC does not answer; C has 0.5 cores in all, and 1 is needed.",
        ),
        (
            rank(site="c", sites=(ESAC, facts("c", "Cloud", "r", cpu=0.5))),
            "No site can run this now: Cloud has 0.5 cores in all, and 1 is needed.",
        ),
        (
            rank(sites=tuple(facts(f"s{n}", f"S{n}", "r", groups=["staff"]) for n in range(5))),
            "No site can run this now: " + "; ".join(f"S{n} is for staff only" for n in range(5)) + ".",
        ),
        (
            rank(sites=tuple(facts(f"s{n}", f"S{n}", "r", groups=["staff"]) for n in range(20))),
            "No site can run this now: "
            + "; ".join(f"S{n} is for staff only" for n in (0, 1, 10, 11))
            + "; 16 more cannot either.",
        ),
        (
            rank(sites=(facts("esac", "ESAC", "r", price={"cpu_hour": 0.01, "memory_gib_hour": 0.002}),)),
            "ESAC: it has 8 of 8 cores free and costs 0.014 an hour",
        ),
        (rank(sites=(facts("a", "A", "r"), facts("b", "B", "r")), site="b"), "B: it has 8 of 8 cores free"),
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
    # three quarters of the memory are held: a quarter of the weight of load is left, all of cost's, home's, latency's
    assert ranking.candidates[1].score == pytest.approx((3 * 0.25 + 2 + 2 + 1) / 13)
    assert reasons(ranking)["esac"] == ["has 6 of 8 cores free"]


def test_the_site_of_the_home_is_better_than_one_that_mounts_it() -> None:
    mounts = facts("cloud-eu", "Cloud EU", "r", mounts_homes_of=["esac"])
    ranking = rank(home_site="esac", sites=(mounts, facts("esac", "ESAC", "r")))
    assert order(ranking) == ["esac", "cloud-eu"]
    assert reasons(ranking)["cloud-eu"][0] == "mounts your home"


CHEAP = facts("cheap", "Cheap", "r", price={"cpu_hour": 0.05, "memory_gib_hour": 0.01}, egress_price_gib={})
DEAR = facts("dear", "Dear", "s", price={"cpu_hour": 0.25, "memory_gib_hour": 0.03, "gpu_hour": 2})


def test_the_price_of_an_hour_is_told_and_the_cheaper_site_is_better() -> None:
    ranking = rank(sites=(DEAR, CHEAP), currency="EUR")
    assert [(candidate.site, candidate.cost_hour) for candidate in ranking.candidates] == [
        ("cheap", 0.07),
        ("dear", 0.31),
    ]
    assert reasons(ranking)["dear"] == ["has 8 of 8 cores free", "costs 0.31 EUR an hour"]
    assert ranking.summary == "Cheap: it has 8 of 8 cores free and costs 0.07 EUR an hour"
    # data count for nothing without datasets; of the weight of cost the dear site keeps the share 0.07 / 0.31
    assert ranking.candidates[1].score == pytest.approx((3 + 2 * 0.07 / 0.31 + 2 + 1) / 13, abs=1e-6)


def test_moving_the_data_costs_too() -> None:
    # where the data are is four times as dear, and still cheaper than moving a terabyte
    terabyte = dataset("d", 1024 * GIB, "dear", s={"default": 0.09})
    only_cost = Weights(data=0, load=0, home=0, latency=0)
    ranking = rank(terabyte, sites=(CHEAP, DEAR), weights=only_cost, currency="EUR")
    assert order(ranking) == ["dear", "cheap"]
    assert reasons(ranking)["cheap"] == [
        "would move 1.0 TiB at 92.16 EUR for egress",
        "has 8 of 8 cores free",
        "costs 0.07 EUR an hour",
    ]
    assert ranking.candidates[1].score == pytest.approx(0.31 / (0.07 + 92.16), abs=1e-6)


@pytest.mark.parametrize(
    ("hours", "scores"),
    [
        ({"a": 0, "b": 0}, {"a": 1, "b": 1}),
        ({"a": 1, "b": 2}, {"a": 1, "b": 0.5}),
        ({"a": 0, "b": 2}, {"a": 1, "b": 0}),
        ({"a": 1, "b": 2, "c": 4}, {"a": 1, "b": 0.5, "c": 0.25}),
    ],
)
def test_cost_is_beside_the_cheapest_candidate(hours: dict[str, float], scores: dict[str, float]) -> None:
    sites = tuple(facts(name, name.upper(), "r", price={"cpu_hour": price}) for name, price in hours.items())
    ranking = rank(sites=sites, weights=Weights(data=0, load=0, home=0, latency=0))
    assert {candidate.site: candidate.score for candidate in ranking.candidates} == scores


def test_the_cheapest_candidate_is_one_that_can_run_it() -> None:
    sites = (facts("a", "A", "r", groups=["staff"]), CHEAP, DEAR)
    ranking = rank(sites=sites, weights=Weights(data=0, load=0, home=0, latency=0))
    assert [candidate.score for candidate in ranking.candidates] == [1, pytest.approx(0.07 / 0.31, abs=1e-6)]


def test_gpus_are_told_to_who_asks_for_them() -> None:
    gpu = Profile.model_validate(profile(gpu=1)).resources
    ranking = rank(sites=(facts("a", "A", "r", {"held_gpu": 3}, gpu=4),), resources=gpu)
    assert reasons(ranking) == {"a": ["has 1 of 4 GPUs free"]}


def test_the_nearer_site_is_better() -> None:
    far = facts("far", "Far", "r", latency_ms=100)
    ranking = rank(sites=(far, facts("near", "Near", "r", latency_ms=12.5)))
    assert order(ranking) == ["near", "far"]
    assert reasons(ranking)["far"] == ["has 8 of 8 cores free", "is 100 ms away"]
    # at 100 ms half of the weight of latency is left
    assert ranking.candidates[1].score == pytest.approx((3 + 2 + 2 + 0.5) / 13, abs=1e-6)


ONLY = {"data": 0, "load": 0, "cost": 0, "home": 0, "latency": 0}


def test_the_weights_decide_what_counts() -> None:
    held = facts("held", "Held", "r", {"held_cpu": 1}, price={"cpu_hour": 1}, latency_ms=50)
    idle = facts("idle", "Idle", "s", price={"cpu_hour": 2}, latency_ms=80, mounts_homes_of=["held"])
    firsts = {
        name: order(rank(dataset("d", GIB, "held"), sites=(held, idle), home_site="held", weights=Weights(**only)))[0]
        for name, only in ((name, {**ONLY, name: 1}) for name in ONLY)
    }
    assert firsts == {"data": "held", "load": "idle", "cost": "held", "home": "held", "latency": "held"}


def test_without_any_weight_all_sites_are_as_good() -> None:
    ranking = rank(EUCLID, weights=Weights(**ONLY))
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
    assert [either(["a"]), either(["a", "b"]), either(["a", "b", "c"])] == ["a", "a or b", "a, b or c"]


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00 EUR"),
        (0.0001, "under 0.001 EUR"),
        (0.0005, "0.001 EUR"),
        (0.014, "0.014 EUR"),
        (0.05, "0.05 EUR"),
        (0.125, "0.12 EUR"),
        (92.16, "92.16 EUR"),
        (1234.5, "1234.50 EUR"),
    ],
)
def test_money_is_for_people(amount: float, text: str) -> None:
    assert format_money(amount, "EUR") == text
    assert format_money(amount, "") == text.removesuffix(" EUR")
