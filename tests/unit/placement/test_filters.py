from __future__ import annotations

from typing import Any

import pytest

from perijove_hub.placement import DatasetFacts, Ranking, SiteFacts, SiteHealth, Wish, rank_sites
from perijove_hub.policy.models import KubernetesSite, LocalSite, Profile
from tests.support.platforms import cluster, profile, site

TICK = "tick “without my home” to start here"


def facts(name: str, title: str, held: dict[str, Any] | None = None, **more: Any) -> SiteFacts:
    return SiteFacts(name, LocalSite.model_validate(site(title, **more)), **(held or {}))


def cluster_facts(name: str, title: str, **more: Any) -> SiteFacts:
    return SiteFacts(name, KubernetesSite.model_validate(cluster(title, **more)))


def ranking(wish: dict[str, Any], *sites: SiteFacts, **needs: Any) -> Ranking:
    resources = Profile.model_validate(profile(**needs)).resources
    said = {"owner": "ana", "groups": frozenset({"astro"}), **wish}
    return rank_sites(Wish(resources=resources, **said), sites)


def rejections(result: Ranking) -> dict[str, list[str]]:
    return {rejection.site: rejection.reasons for rejection in result.rejected}


def test_a_site_that_can_do_it_is_not_rejected() -> None:
    result = ranking({}, facts("esac", "ESAC"))
    assert [candidate.site for candidate in result.candidates] == ["esac"]
    assert result.rejected == ()


def test_a_user_may_insist_on_a_site() -> None:
    result = ranking({"site": "cloud"}, facts("esac", "ESAC"), facts("cloud", "Cloud"))
    assert [candidate.site for candidate in result.candidates] == ["cloud"]
    assert rejections(result) == {"esac": ["you asked for Cloud"]}


@pytest.mark.parametrize(
    ("groups", "reason"),
    [(["staff"], "is for staff only"), (["staff", "euclid"], "is for staff and euclid only"), (["astro"], None)],
)
def test_a_site_may_be_for_some_groups(groups: list[str], reason: str | None) -> None:
    result = ranking({}, facts("esac", "ESAC", groups=groups))
    assert rejections(result) == ({"esac": [reason]} if reason else {})


@pytest.mark.parametrize(
    ("health", "why", "reason"),
    [
        (SiteHealth.DOWN, "", "does not answer"),
        (SiteHealth.DOWN, "failed 3 starts in a row", "failed 3 starts in a row"),
        (SiteHealth.UNKNOWN, "has not been heard of yet", None),
        (SiteHealth.UP, "", None),
    ],
)
def test_a_site_that_is_down_takes_nothing_and_unknown_is_not_down(
    health: SiteHealth, why: str, reason: str | None
) -> None:
    result = ranking({}, facts("esac", "ESAC", {"health": health, "health_reason": why}))
    assert rejections(result) == ({"esac": [reason]} if reason else {})


@pytest.mark.parametrize(
    ("needs", "held", "reason"),
    [
        ({"cpu": 9}, {}, "has 8 cores in all, and 9 are needed"),
        ({"cpu": 4}, {"held_cpu": 4.5}, "has 3.5 of 8 cores free, and 4 are needed"),
        ({"cpu": 4}, {"held_cpu": 4}, None),
        ({"cpu": 4}, {"held_cpu": 12}, "has 0 of 8 cores free, and 4 are needed"),
        ({"memory_gib": 17}, {}, "has 16 GiB of memory in all, and 17 are needed"),
        ({"memory_gib": 2}, {"held_memory_gib": 15}, "has 1 of 16 GiB of memory free, and 2 are needed"),
        ({"gpu": 1}, {}, "has no GPU, and 1 is needed"),
        ({"cpu": 0.1}, {"held_cpu": sum([0.1] * 79)}, None),
    ],
)
def test_what_is_needed_must_be_free(needs: dict[str, Any], held: dict[str, Any], reason: str | None) -> None:
    result = ranking({}, facts("esac", "ESAC", held), **needs)
    assert rejections(result) == ({"esac": [reason]} if reason else {})


@pytest.mark.parametrize(
    ("gpu", "held", "reason"),
    [
        (1, 0, None),
        (2, 0, None),
        (4, 0, "has 2 GPUs in all, and 4 are needed"),
        (1, 2, "has 0 of 2 GPUs free, and 1 is needed"),
        (0, 2, None),
    ],
)
def test_gpus_must_be_there_and_free(gpu: int, held: int, reason: str | None) -> None:
    result = ranking({}, facts("esac", "ESAC", {"held_gpu": held}, gpu=2), gpu=gpu)
    assert rejections(result) == ({"esac": [reason]} if reason else {})


def test_each_resource_that_is_missing_for_good_or_for_now_is_told_once() -> None:
    result = ranking({}, facts("esac", "ESAC", {"held_memory_gib": 15}), cpu=9, memory_gib=2)
    assert rejections(result) == {
        "esac": ["has 8 cores in all, and 9 are needed", "has 1 of 16 GiB of memory free, and 2 are needed"]
    }


@pytest.mark.parametrize("key", ["closed", "over_limit"])
@pytest.mark.parametrize(
    "why", ["", "takes no starts until Monday: cooling", "is beyond a limit: 4 of 4 sessions used."]
)
def test_a_site_that_is_closed_or_at_a_limit_of_its_own_takes_nothing_and_says_why(key: str, why: str) -> None:
    result = ranking({}, facts("esac", "ESAC", {key: why}))
    assert rejections(result) == ({"esac": [why]} if why else {})


@pytest.mark.parametrize(
    ("image", "images", "reason"),
    [
        (None, None, None),
        ("lab:1", None, None),
        (None, ["lab:2"], None),
        ("lab:1", ["lab:2", "lab:1"], None),
        ("lab:1", ["lab:2"], "does not have the image lab:1"),
        ("lab:1", [], "does not have the image lab:1"),
    ],
)
def test_the_image_must_be_there(image: str | None, images: list[str] | None, reason: str | None) -> None:
    result = ranking({"image": image}, facts("esac", "ESAC", images=images))
    assert rejections(result) == ({"esac": [reason]} if reason else {})


@pytest.mark.parametrize(
    ("requires", "labels", "reason"),
    [
        ({}, {}, None),
        ({}, {"gpu": "a100"}, None),
        ({"gpu": "a100"}, {"gpu": "a100", "provider": "on-prem"}, None),
        ({"gpu": "a100"}, {}, "lacks gpu: a100, which the profile requires"),
        ({"gpu": "a100"}, {"gpu": "h100"}, "lacks gpu: a100, which the profile requires"),
        (
            {"gpu": "a100", "provider": "on-prem"},
            {"network": "fast"},
            "lacks gpu: a100 and provider: on-prem, which the profile requires",
        ),
    ],
)
def test_what_a_profile_requires_must_be_on_the_label(
    requires: dict[str, str], labels: dict[str, str], reason: str | None
) -> None:
    result = ranking({"requires": requires}, facts("esac", "ESAC", labels=labels))
    assert rejections(result) == ({"esac": [reason]} if reason else {})


@pytest.mark.parametrize(
    ("stays", "reason"),
    [
        ([None], None),
        ([{"eu-es-madrid"}], None),
        ([{"eu-de-1", "eu-es-madrid"}, None], None),
        ([{"eu-de-1"}], "is in eu-es-madrid, and d0 must stay in eu-de-1"),
        ([None, {"eu-de-1", "ch-1"}], "is in eu-es-madrid, and d1 must stay in ch-1 or eu-de-1"),
        ([{"us"}, {"ch-1"}], "is in eu-es-madrid, and d0 must stay in us and d1 must stay in ch-1"),
    ],
)
def test_data_are_worked_with_where_they_may_be(stays: list[set[str] | None], reason: str | None) -> None:
    datasets = tuple(
        DatasetFacts(f"d{index}", 1, frozenset({"esac"}), frozenset(), {}, None if each is None else frozenset(each))
        for index, each in enumerate(stays)
    )
    result = ranking({"datasets": datasets}, facts("esac", "ESAC"))
    assert rejections(result) == ({"esac": [reason]} if reason else {})


@pytest.mark.parametrize(
    ("wish", "policy", "reason"),
    [
        ({}, {}, None),
        ({}, {"homes": False}, f"holds no home directories; {TICK}"),
        ({"home_site": "esac"}, {}, None),
        ({"home_site": "cloud"}, {"mounts_homes_of": ["cloud"]}, None),
        ({"home_site": "cloud"}, {}, f"does not mount your home, which is at Cloud; {TICK}"),
        ({"home_site": "gone"}, {}, f"does not mount your home, which is at gone; {TICK}"),
        ({"home_site": "cloud", "without_home": True}, {"homes": False}, None),
    ],
)
def test_the_home_must_be_within_reach(wish: dict[str, Any], policy: dict[str, Any], reason: str | None) -> None:
    cloud = facts("cloud", "Cloud", {"health": SiteHealth.DOWN})
    result = ranking(wish, facts("esac", "ESAC", **policy), cloud)
    assert rejections(result).get("esac") == ([reason] if reason else None)


def test_all_reasons_are_given_and_the_one_a_person_wants_first() -> None:
    said = {"health": SiteHealth.DOWN, "closed": "is drained", "over_limit": "is at its limit"}
    result = ranking(
        {
            "site": "cloud",
            "home_site": "cloud",
            "image": "lab:1",
            "requires": {"gpu": "a100"},
            "datasets": (DatasetFacts("sky", 1, frozenset(), frozenset(), {}, frozenset({"us"})),),
        },
        facts("esac", "ESAC", said, groups=["staff"], images=[]),
        facts("cloud", "Cloud"),
        cpu=9,
    )
    assert rejections(result)["esac"] == [
        "you asked for Cloud",
        "is for staff only",
        "does not answer",
        "is drained",
        "has 8 cores in all, and 9 are needed",
        "is at its limit",
        "does not have the image lab:1",
        "lacks gpu: a100, which the profile requires",
        "is in eu-es-madrid, and sky must stay in us",
        f"does not mount your home, which is at Cloud; {TICK}",
    ]


def test_an_image_that_a_user_names_runs_at_clusters_that_have_it() -> None:
    sites = [
        facts("esac", "ESAC"),
        facts("pool", "Pool", images=["team/lab:1"]),
        cluster_facts("any", "Any"),
        cluster_facts("some", "Some", images=["team/lab:1", "team/lab:2"]),
        cluster_facts("others", "Others", images=["lab:1"]),
    ]
    result = ranking({"image": "team/lab:1", "image_is_users": True}, *sites)
    assert {candidate.site for candidate in result.candidates} == {"any", "some"}
    assert rejections(result) == {
        "esac": ["runs no container images, and you have named one"],
        "pool": ["runs no container images, and you have named one"],
        "others": ["does not have the image team/lab:1"],
    }
    # the image of a profile stands for what is installed there
    result = ranking({"image": "team/lab:1"}, *sites)
    assert rejections(result) == {"others": ["does not have the image team/lab:1"]}


def test_where_there_is_no_cluster_an_image_of_a_user_can_run_nowhere() -> None:
    result = ranking({"image": "team/lab:1", "image_is_users": True}, facts("esac", "ESAC"))
    assert result.summary == ("No site can run this now: ESAC runs no container images, and you have named one.")
