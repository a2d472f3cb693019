"""What the platform file says of sites, profiles and data decides where a session may go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from perijove.models import SessionWish
from perijove_hub.admission.facts import gather_sites, resolve_wish
from perijove_hub.admission.models import Refused
from perijove_hub.ledger.quota import Held
from perijove_hub.policy.models import Spill
from tests.support.platforms import GIB, House, dataset, open_house, platform, profile, replica, site

LAB = "registry.example/lab:1"

POLICY: dict[str, Any] = {
    "sites": {
        "esac": site(images=[], labels={"provider": "on-prem"}, price={"cpu_hour": 0.1}),
        "cloud-eu": site("Cloud EU", "eu-de-1", images=[LAB], price={"cpu_hour": 0.2}, latency_ms=30),
    },
    "profiles": {
        "standard": profile(),
        "packed": profile(image=LAB),
        "near": profile(requires={"provider": "on-prem"}),
    },
    "placement": {"spill": {"groups": ["staff"], "max_cost_factor": 1.5}},
    "datasets": {
        "sky": dataset(replica(site="esac"), size_bytes=GIB),
        "bound": dataset(replica(site="esac"), size_bytes=GIB, stays_in=["eu-es-madrid", "eu-fr-1"]),
    },
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, platform(**POLICY)) as house:
        yield house


async def placed(house: House, **wish: Any) -> tuple[list[str], dict[str, list[str]]]:
    """The candidates, and why the others are rejected."""
    said = await house.service.place("ana", frozenset({"astro"}), SessionWish.model_validate(wish))
    return [each.site for each in said.candidates], {each.site: each.reasons for each in said.rejected}


async def test_image_labels_and_regions_of_the_file_are_obeyed(house: House) -> None:
    assert await placed(house, profile="packed") == (["cloud-eu"], {"esac": [f"does not have the image {LAB}"]})
    assert await placed(house, profile="near") == (
        ["esac"],
        {"cloud-eu": ["lacks provider: on-prem, which the profile requires"]},
    )
    assert await placed(house, profile="standard", datasets=["bound"]) == (
        ["esac"],
        {"cloud-eu": ["is in eu-de-1, and bound must stay in eu-es-madrid or eu-fr-1"]},
    )


async def test_price_latency_and_currency_of_the_file_are_told(house: House) -> None:
    said = await house.service.place("ana", frozenset(), SessionWish(profile="standard", datasets=["sky"]))
    assert [(each.site, each.cost_hour, each.reasons) for each in said.candidates] == [
        ("esac", 0.1, ["holds sky", "has 8 of 8 cores free", "costs 0.10 EUR an hour"]),
        ("cloud-eu", 0.2, ["would move 1.0 GiB", "has 8 of 8 cores free", "costs 0.20 EUR an hour", "is 30 ms away"]),
    ]


async def test_rules_of_spilling_over_of_the_file_are_obeyed(house: House) -> None:
    await house.start(at="esac", profile="near", groups=["astro"])
    house.platform = platform(**{**POLICY, "sites": {**POLICY["sites"], "esac": site(cpu=1, price={"cpu_hour": 0.1})}})
    candidates, rejected = await placed(house, profile="standard", datasets=["sky"], without_home=True)
    assert candidates == []
    assert rejected["cloud-eu"] == ["ESAC is full, and other sites may take its place only for staff"]


async def test_a_wish_has_all_that_placement_asks_for() -> None:
    policy = platform(**POLICY)
    wish = resolve_wish(policy, SessionWish(profile="packed", datasets=["bound"]), "ana", frozenset(), "esac")
    assert (wish.image, wish.requires, wish.currency, wish.home_site) == (LAB, {}, "EUR", "esac")
    assert wish.spill == Spill(groups=["staff"], max_cost_factor=1.5)
    assert [each.stays_in for each in wish.datasets] == [frozenset({"eu-es-madrid", "eu-fr-1"})]


async def test_an_image_that_a_user_names_takes_the_place_of_the_profiles() -> None:
    profiles = POLICY["profiles"] | {"free": profile(image=LAB, user_images=["my/.*"])}
    policy = platform(**POLICY | {"profiles": profiles})
    wish = resolve_wish(policy, SessionWish(profile="free", image="my/lab:1"), "ana", frozenset(), None)
    assert (wish.image, wish.image_is_users) == ("my/lab:1", True)
    wish = resolve_wish(policy, SessionWish(profile="free"), "ana", frozenset(), None)
    assert (wish.image, wish.image_is_users) == (LAB, False)
    for asked in ({"profile": "free", "image": "other/lab:1"}, {"profile": "packed", "image": LAB}):
        with pytest.raises(Refused) as caught:
            resolve_wish(policy, SessionWish.model_validate(asked), "ana", frozenset(), None)
        assert (caught.value.problem.status, caught.value.problem.title) == (422, "Image not allowed")


async def test_what_others_decide_of_a_site_is_handed_on(house: House) -> None:
    async with house.database.read() as connection:
        facts = await gather_sites(
            connection,
            house.platform,
            house.clock.now,
            closed={"esac": "is drained", "gone": "is drained"},
            over_limit={"cloud-eu": "is at its limit"},
            held={"esac": Held(cpu=3, memory_gib=5, gpu=1)},
        )
    said = {name: (each.closed, each.over_limit, each.held_cpu, each.held_gpu) for name, each in facts.items()}
    assert said == {"esac": ("is drained", "", 3, 1), "cloud-eu": ("", "is at its limit", 0, 0)}


async def test_a_lease_that_is_about_to_move_does_not_count(house: House) -> None:
    lease = await house.start(at="esac", profile="near")
    async with house.database.read() as connection:
        with_it = await gather_sites(connection, house.platform, house.clock.now)
        without = await gather_sites(connection, house.platform, house.clock.now, excluding=lease.id)
    assert (with_it["esac"].held_cpu, without["esac"].held_cpu) == (1, 0)
