from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perijove.models import HomeSize, Inventory, LeaseState, SessionWish
from perijove_hub.admission.desk import Desk
from perijove_hub.admission.models import Refused
from perijove_hub.policy.models import Platform
from tests.support.platforms import House, cluster, dataset, open_house, platform, profile, replica, request, site


@pytest.fixture
async def house(ledger: str) -> AsyncIterator[House]:
    async with open_house(ledger) as house:
        yield house


async def refusal(house: House, owner: str = "ana", **wish: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await house.service.ask(request(owner, **wish))
    return caught.value


async def test_an_offer_says_where_with_what_and_why(house: House) -> None:
    asked = request(datasets=["euclid-demo"], name="lab")
    offer = await house.service.ask(asked)
    assert offer.model_dump() == {
        "id": offer.id,
        "attempt_id": asked.attempt_id,
        "candidates": [
            {
                "site": "esac",
                "title": "ESAC",
                "score": 1.0,
                "reasons": ["holds euclid-demo", "has 8 of 8 cores free"],
                "cost_hour": 0.0,
            },
            {
                "site": "cloud-eu",
                "title": "Cloud EU",
                "score": 0.615385,
                "reasons": ["would move 1.0 GiB", "has 16 of 16 cores free"],
                "cost_hour": 0.0,
            },
        ],
        "spawn": {
            "resources": {"cpu": 1, "memory_gib": 2, "gpu": 0},
            "image": None,
            "image_is_users": False,
            "env": {
                "PERIJOVE_CURRENCY": "EUR",
                "PERIJOVE_DATASETS": "euclid-demo",
                "PERIJOVE_LEASE_ID": offer.id,
            },
            "mounts": [],
            "home_site": None,
            "without_home": False,
            "max_hours": None,
            "idle_minutes": None,
            "rescue": False,
            "policy_version": house.platform.version,
        },
        "explanation": {
            "summary": "ESAC: it holds euclid-demo; the other site would move 1.0 GiB",
            "candidates": [candidate.model_dump() for candidate in offer.candidates],
            "rejected": [],
        },
        "starting": False,
        "token": None,
    }


async def test_who_begins_at_once_is_starting_at_the_first_candidate_with_a_claim_on_the_home(house: House) -> None:
    asked = request(datasets=["euclid-demo"], starting=True)
    offer = await house.service.ask(asked)
    assert offer.starting
    lease = await house.service.lease(offer.id)
    assert lease is not None
    assert (lease.state, lease.site, lease.started) == (LeaseState.STARTING, "esac", None)
    assert (await house.service.ask(request())).spawn.home_site == "esac"
    # an answer that was lost is given again, and what is starting does not run out as an offer does
    house.clock.advance(61)
    assert await house.service.ask(asked) == offer
    assert await house.used() == 1
    assert (await house.move(offer.id, "active")).started == house.clock.now


async def test_who_begins_at_once_goes_on_at_the_next_candidate(house: House) -> None:
    offer = await house.service.ask(request(datasets=["euclid-demo"], starting=True))
    lease = await house.move(offer.id, "starting", "cloud-eu", site_failed=True)
    assert (lease.state, lease.site) == (LeaseState.STARTING, "cloud-eu")
    await house.move(offer.id, "active")
    assert await house.used() == 1


async def test_a_refusal_begins_nothing_and_claims_no_home(house: House) -> None:
    refused = await refusal(house, profile="large", starting=True)
    assert refused.problem.status == 403
    assert (await house.service.ask(request())).spawn.home_site is None


async def test_an_offer_holds_its_quota_until_it_expires(house: House) -> None:
    offer = await house.service.ask(request())
    assert await house.used() == 1
    lease = await house.service.lease(offer.id)
    assert lease is not None
    assert (lease.state, lease.said(house.clock.now).site) == (LeaseState.OFFERED, None)

    house.clock.advance(59.9)
    assert await house.used() == 1
    house.clock.advance(0.1)
    assert await house.used() == 0
    lease = await house.service.lease(offer.id)
    assert lease is not None
    assert lease.said(house.clock.now).state is LeaseState.EXPIRED, "swept or not"


async def test_a_refusal_by_a_limit_gives_its_figures(house: House) -> None:
    await house.start()
    await house.start()
    refused = await refusal(house)
    assert refused.problem.model_dump(exclude_none=True) == {
        "type": "urn:perijove:over-limit",
        "title": "Limit reached",
        "status": 403,
        "detail": "Limit two-sessions reached: 2 of 2 sessions used. Stop a running server, then start this one.",
        "limit": 2,
        "used": 2,
        "unit": "sessions",
    }
    assert str(refused) == refused.problem.detail
    assert await house.service.leases("ana", None, 10) != []
    await house.start("bob")  # limits are each one's own


async def test_no_site_that_can_run_it_is_a_refusal_with_every_reason(house: House) -> None:
    house.platform = platform(sites={"esac": site(cpu=0.5), "moon": site("Moon", "moon", groups=["staff"])})
    refused = await refusal(house)
    assert (refused.problem.status, refused.problem.title) == (403, "No site can run this now")
    assert refused.problem.detail == (
        "No site can run this now: ESAC has 0.5 cores in all, and 1 is needed; Moon is for staff only."
    )


@pytest.mark.parametrize(
    ("wish", "status", "detail"),
    [
        ({"profile": "huge"}, 422, "There is no profile 'huge'; choose from standard."),
        ({"profile": "large"}, 403, "Profile Large is for euclid only."),
        ({"site": "moon"}, 422, "There is no site 'moon'; choose from cloud-eu, esac."),
        ({"datasets": ["moon"]}, 422, "There is no dataset 'moon' that you may read."),
        ({"datasets": ["secret-data"]}, 422, "There is no dataset 'secret-data' that you may read."),
    ],
)
async def test_a_wish_for_what_is_not_there_is_refused(
    house: House, wish: dict[str, Any], status: int, detail: str
) -> None:
    secret = dataset(replica(site="esac"), groups=["staff"])
    house.platform = platform(datasets={"secret-data": secret})
    refused = await refusal(house, **wish)
    assert (refused.problem.status, refused.problem.detail) == (status, detail)
    assert await house.used() == 0
    with pytest.raises(Refused, match=detail.replace("?", ".")):
        await house.service.place("ana", frozenset(), SessionWish.model_validate(wish))


async def test_the_profile_that_goes_without_saying_is_the_first_allowed(house: House) -> None:
    house.platform = platform(
        profiles={"large": profile("Large", cpu=4, groups=["euclid"]), "standard": profile(cpu=1)}
    )
    assert (await house.service.ask(request())).spawn.resources.cpu == 1
    assert (await house.service.ask(request("eva", groups=["euclid"]))).spawn.resources.cpu == 4
    house.platform = platform(profiles={"large": profile("Large", groups=["euclid"])})
    assert (await refusal(house)).problem.detail == "None of the platform's profiles is open to your groups."


async def test_asking_again_with_the_same_attempt_gives_the_same_offer(house: House) -> None:
    asked = request(datasets=["euclid-demo"])
    offer = await house.service.ask(asked)
    house.clock.advance(30)
    assert await house.service.ask(asked) == offer
    await house.move(offer.id, "starting", "esac")
    assert await house.service.ask(asked) == offer
    assert await house.used() == 1


async def test_what_an_attempt_holds_is_not_counted_against_the_attempt_itself(house: House) -> None:
    house.platform = platform(quotas=[{"name": "one-session", "resource": "sessions", "limit": 1}])
    asked = request(datasets=["euclid-demo"])
    offer = await house.service.ask(asked)
    assert await house.service.ask(asked) == offer
    house.platform = platform(datasets={})  # what it asked for is gone from the file meanwhile
    assert await house.service.ask(asked) == offer
    desk = Desk(house.database, lambda: house.platform, house.clock)
    assert await desk.failures("ana", 10) == []


@pytest.mark.parametrize("other", [{"owner": "bob"}, {"name": "second"}])
async def test_an_attempt_id_is_for_one_workload(house: House, other: dict[str, str]) -> None:
    attempt = uuid.uuid4().hex
    await house.service.ask(request(attempt_id=attempt))
    refused = await refusal(house, attempt_id=attempt, **other)
    assert (refused.problem.status, refused.problem.title) == (409, "Attempt id in use")


async def test_an_attempt_that_is_over_does_not_come_back(house: House) -> None:
    ended, expired = request(), request()
    await house.move((await house.service.ask(ended)).id, "ended", reason="changed my mind")
    await house.service.ask(expired)
    house.clock.advance(60)
    for asked in (ended, expired):
        with pytest.raises(Refused, match="is over; ask with a new attempt id") as caught:
            await house.service.ask(asked)
        assert caught.value.problem.status == 409


async def test_only_as_many_candidates_as_may_be_tried_are_offered(house: House) -> None:
    house.platform = platform(placement={"retries": 0})
    offer = await house.service.ask(request(datasets=["euclid-demo"]))
    assert [candidate.site for candidate in offer.candidates] == ["esac"]
    assert [candidate.site for candidate in offer.explanation.candidates] == ["esac", "cloud-eu"]


async def test_the_environment_of_a_profile_does_not_hide_what_the_platform_says(house: House) -> None:
    house.platform = platform(profiles={"standard": profile(env={"OMP_NUM_THREADS": "4"})})
    offer = await house.service.ask(request())
    assert offer.spawn.env == {
        "OMP_NUM_THREADS": "4",
        "PERIJOVE_CURRENCY": "EUR",
        "PERIJOVE_DATASETS": "",
        "PERIJOVE_LEASE_ID": offer.id,
    }


async def test_a_dry_run_says_what_an_ask_would_and_changes_nothing(house: House) -> None:
    wish = SessionWish(datasets=["euclid-demo"])
    placed = await house.service.place("ana", frozenset(), wish)
    assert (placed.allowed, placed.reason) == (True, None)
    assert placed.summary == "ESAC: it holds euclid-demo; the other site would move 1.0 GiB"
    assert await house.service.leases(None, None, 10) == []
    offer = await house.service.ask(request(datasets=["euclid-demo"]))
    assert (placed.candidates, placed.rejected) == (offer.explanation.candidates, offer.explanation.rejected)

    await house.service.ask(request())
    placed = await house.service.place("ana", frozenset(), wish)
    assert placed.allowed is False
    assert placed.reason is not None
    assert placed.reason.startswith("Limit two-sessions reached: 2 of 2")

    house.platform = platform(sites={"esac": site(cpu=0.5)})
    placed = await house.service.place("eva", frozenset(), SessionWish())
    assert (placed.allowed, placed.reason) == (False, placed.summary)


async def test_an_offer_counts_on_its_first_candidate(house: House) -> None:
    house.platform = platform(
        sites={"esac": site(cpu=1), "cloud-eu": site("Cloud EU", "eu-de-1", cpu=1)}, placement={"retries": 0}
    )
    asked = [await house.service.ask(request(owner, datasets=["euclid-demo"])) for owner in ("ana", "bob")]
    assert [offer.candidates[0].site for offer in asked] == ["esac", "cloud-eu"]
    assert (await refusal(house, "eva")).problem.status == 403
    house.clock.advance(60)
    await house.service.ask(request("eva"))


async def test_leases_are_listed_from_the_newest_on_page_by_page(house: House) -> None:
    ids = []
    for owner in ("ana", "bob", "ana"):
        house.clock.advance(1)
        ids.append((await house.service.ask(request(owner))).id)
    ids.append((await house.service.ask(request("eva"))).id)  # at the same time as the one before

    async def pages(owner: str | None) -> list[str]:
        found, before = [], None
        while rows := await house.service.leases(owner, before, 1):
            found.append(rows[0].id)
            before = (rows[0].created, rows[0].id)
        return found

    assert await pages("ana") == [ids[2], ids[0]]
    assert sorted((await pages(None))[:2]) == sorted(ids[2:])
    assert (await pages(None))[2:] == [ids[1], ids[0]]
    assert await pages("nobody") == []


# --- images that users name ---------------------------------------------------------------------------------------

TEAM = r"registry\.example/team/[a-z0-9-]+:[a-z0-9.-]+"
MINE = "registry.example/team/lab:2"


def with_images(**more: Any) -> Platform:
    return platform(
        sites={"esac": site(), "academic": cluster("Academic")},
        profiles={"free": profile("Free", image="lab:7", user_images=[TEAM]), "fixed": profile("Fixed", image="lab:8")},
        datasets={},
        **more,
    )


async def test_an_image_that_the_profile_allows_goes_with_the_lease_to_a_cluster(house: House) -> None:
    house.platform = with_images()
    asked = request(image=MINE)
    offer = await house.service.ask(asked)
    assert [each.site for each in offer.candidates] == ["academic"]
    assert [each.reasons for each in offer.explanation.rejected] == [
        ["runs no container images, and you have named one"]
    ]
    assert (offer.spawn.image, offer.spawn.image_is_users) == (MINE, True)
    # an answer that was lost is given again as it was, and the lease remembers
    assert await house.service.ask(asked) == offer
    [lease] = await house.service.leases("ana", None, 10)
    assert lease.said(house.clock.now).image == MINE
    # who names none has the profile's
    spawn = (await house.service.ask(request())).spawn
    assert (spawn.image, spawn.image_is_users) == ("lab:7", False)


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (
            {"image": f"evil.example/{MINE}"},
            "Profile Free does not allow the image 'evil.example/registry.example/team",
        ),
        ({"image": "my lab"}, "'my lab' is no name of a container image, such as registry.example/lab:2026-03."),
        ({"profile": "fixed", "image": MINE}, f"Profile Fixed takes no image of yours, and you named '{MINE}'"),
        # not even that which it has
        ({"profile": "fixed", "image": "lab:8"}, "Profile Fixed takes no image of yours, and you named 'lab:8'"),
    ],
)
async def test_an_image_that_the_profile_does_not_allow_is_refused_and_kept_for_who_asks_why(
    house: House, wish: dict[str, Any], sentence: str
) -> None:
    house.platform = with_images()
    refused = await refusal(house, **wish)
    assert (refused.problem.status, refused.problem.title) == (422, "Image not allowed")
    assert refused.problem.detail.startswith(sentence)
    assert await house.service.leases(None, None, 10) == []
    [failed] = await Desk(house.database, lambda: house.platform, house.clock).failures("ana", 10)
    assert (failed.title, failed.detail) == ("Image not allowed", refused.problem.detail)
    # a dry run says the same, and where the usual image would run
    placed = await house.service.place("ana", frozenset(), SessionWish.model_validate(wish))
    assert (placed.allowed, placed.reason) == (False, refused.problem.detail)
    assert {each.site for each in placed.candidates} == {"esac", "academic"}


async def test_where_no_site_runs_images_one_that_is_named_is_refused(house: House) -> None:
    house.platform = platform(profiles={"free": profile(user_images=[TEAM])})
    refused = await refusal(house, image=MINE, site="esac")
    assert refused.problem.detail == (
        "No site can run this now: ESAC runs no container images, and you have named one."
    )


async def test_a_full_home_is_cleaned_up_with_the_platforms_own_image(house: House) -> None:
    house.platform = with_images(quotas=[{"name": "home", "resource": "home_gib", "limit": 1}])
    lease = await house.start(at="academic", image=MINE)
    await house.move(lease.id, "ended")
    full = HomeSize(owner="ana", used_bytes=2 * 2**30, measured_at=house.clock.now)
    seen = Inventory(observed_at=house.clock.now, reachable=True, homes=[full])
    await house.service.report("academic", seen)
    offer = await house.service.ask(request(image=MINE))
    assert (offer.spawn.rescue, offer.spawn.image, offer.spawn.image_is_users) == (True, "lab:7", False)
    assert offer.explanation.summary.endswith("; with the platform's image, since your home is full")
    # without the home, that it is full is nothing
    spawn = (await house.service.ask(request(image=MINE, without_home=True))).spawn
    assert (spawn.rescue, spawn.image, spawn.image_is_users) == (False, MINE, True)
    # and what is not allowed is not allowed with a full home
    assert (await refusal(house, image="evil/lab:1")).problem.status == 422
