from __future__ import annotations

from typing import Any

import pytest

from perijove_hub.placement import Ranking, SiteFacts, SiteHealth, Wish, rank_sites
from perijove_hub.policy.models import LocalSite, Profile
from tests.support.platforms import profile, site

TICK = "tick “without my home” to start here"


def facts(name: str, title: str, held: dict[str, Any] | None = None, **more: Any) -> SiteFacts:
    return SiteFacts(name, LocalSite.model_validate(site(title, **more)), **(held or {}))


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
        ({"gpu": 1}, {}, "has 0 GPUs in all, and 1 are needed"),
        ({"cpu": 0.1}, {"held_cpu": sum([0.1] * 79)}, None),
    ],
)
def test_what_is_needed_must_be_free(needs: dict[str, Any], held: dict[str, Any], reason: str | None) -> None:
    result = ranking({}, facts("esac", "ESAC", held), **needs)
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
    result = ranking(
        {"site": "cloud", "home_site": "cloud"},
        facts("esac", "ESAC", {"health": SiteHealth.DOWN}, groups=["staff"]),
        facts("cloud", "Cloud"),
        cpu=9,
    )
    assert rejections(result)["esac"] == [
        "you asked for Cloud",
        "is for staff only",
        "does not answer",
        "has 8 cores in all, and 9 are needed",
        f"does not mount your home, which is at Cloud; {TICK}",
    ]
