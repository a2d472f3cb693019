from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from perijove.models import AttemptFacts, Inventory, InventoryAnswer, LeaseState, SeenAttempt
from perijove_hub.admission.models import Refused
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.usage import UsageService
from tests.support.platforms import House, open_house, platform, profile, request, site

UNKNOWN_ATTEMPT = "f" * 32


@pytest.fixture
async def house(ledger: str) -> AsyncIterator[House]:
    async with open_house(ledger) as house:
        yield house


async def swept(house: House) -> list[tuple[str, str, str]]:
    """What one sweep closes: attempt, state, reason."""
    return [(item.lease.attempt_id, item.state.value, item.reason) for item in await house.service.sweep()]


async def found(house: House, lease: LeaseRow) -> LeaseRow:
    row = await house.service.lease(lease.id)
    assert row is not None
    return row


async def test_an_offer_that_was_not_taken_up_expires_when_it_ran_out(house: House) -> None:
    offer = await house.service.ask(request())
    house.clock.advance(59)
    assert await swept(house) == []
    house.clock.advance(100)
    assert await swept(house) == [(offer.attempt_id, "expired", "the offer was not taken up in time")]
    row = await house.service.lease(offer.id)
    assert row is not None
    assert row.ended == row.created + timedelta(seconds=60)
    assert await swept(house) == []


async def test_a_lease_whose_process_is_there_stays(house: House) -> None:
    lease = await house.start(at="esac")
    for _ in range(3):
        house.clock.advance(60)
        assert (await house.inventory("esac", lease.attempt_id)).remove == []
        assert await swept(house) == []
    assert (await found(house, lease)).state is LeaseState.ACTIVE


async def test_a_lease_whose_process_is_gone_is_closed_at_the_last_time_it_was_seen(house: House) -> None:
    lease = await house.start(at="esac")
    house.clock.advance(60)
    seen = house.clock.now
    await house.inventory("esac", lease.attempt_id)
    house.clock.advance(60)
    assert (await house.inventory("esac")).remove == []
    assert await swept(house) == [(lease.attempt_id, "failed", "esac runs it no longer")]
    assert (await found(house, lease)).ended == seen
    assert await house.used() == 0


async def test_a_lease_does_not_end_before_it_was_active(house: House) -> None:
    offer = await house.service.ask(request())
    await house.move(offer.id, "starting", "esac")
    await house.inventory("esac", offer.attempt_id)
    house.clock.advance(30)
    lease = await house.move(offer.id, "active")
    house.clock.advance(30)
    await house.inventory("esac")
    await house.service.sweep()
    assert (await found(house, lease)).ended == lease.started


async def test_a_lease_that_is_starting_is_closed_too(house: House) -> None:
    offer = await house.service.ask(request())
    await house.move(offer.id, "starting", "esac")
    house.clock.advance(10)
    await house.inventory("esac")
    assert await swept(house) == [(offer.attempt_id, "failed", "esac runs it no longer")]


async def test_an_orphan_is_removed_and_its_lease_closed_once_it_is_gone(house: House) -> None:
    lease = await house.start(at="esac")
    house.clock.advance(60)
    answer = await house.inventory("esac", orphans=(lease.attempt_id,))
    assert answer.remove == [lease.attempt_id]
    assert await swept(house) == [], "it still runs, and holds what it holds"
    house.clock.advance(60)
    assert (await house.inventory("esac", orphans=(lease.attempt_id,))).remove == [lease.attempt_id]
    await house.inventory("esac")
    assert await swept(house) == [(lease.attempt_id, "failed", "esac runs it no longer")]


async def test_a_hub_whose_clock_went_back_is_heard_again(house: House) -> None:
    lease = await house.start(at="esac")
    house.clock.advance(3600)
    await house.inventory("esac", lease.attempt_id)
    house.clock.advance(-1800)
    assert (await house.inventory("esac", orphans=(UNKNOWN_ATTEMPT,))).remove == [UNKNOWN_ATTEMPT]


async def test_what_neither_a_lease_nor_the_hub_knows_is_removed_at_once(house: House) -> None:
    assert (await house.inventory("esac", orphans=(UNKNOWN_ATTEMPT,))).remove == [UNKNOWN_ATTEMPT]


async def test_a_server_of_the_hub_that_no_lease_knows_is_left_until_the_hub_tells_of_it(house: House) -> None:
    assert await house.inventory("esac", UNKNOWN_ATTEMPT) == InventoryAnswer(remove=[], adopted={})


@pytest.mark.parametrize(("told", "image"), [("team/lab:2", "team/lab:2"), (None, "lab:7")])
async def test_a_server_that_is_taken_up_keeps_its_image(house: House, told: str | None, image: str) -> None:
    house.platform = platform(profiles={"standard": profile(image="lab:7")})
    facts = AttemptFacts(owner="ana", profile="standard", image=told, started=house.clock.now)
    seen = SeenAttempt(attempt_id=UNKNOWN_ATTEMPT, owned=True, facts=facts)
    answer = await house.service.report("esac", Inventory(observed_at=house.clock.now, reachable=True, attempts=[seen]))
    lease = await house.service.lease(answer.adopted[UNKNOWN_ATTEMPT])
    assert lease is not None
    assert lease.said(house.clock.now).image == image


async def test_a_server_that_no_lease_knows_is_taken_up_with_what_the_hub_tells_of_it(house: House) -> None:
    started = house.clock.now - timedelta(hours=2)
    facts = AttemptFacts(owner="ana", groups=["astro"], name="lab", profile="standard", started=started)
    seen = SeenAttempt(attempt_id=UNKNOWN_ATTEMPT, owned=True, facts=facts)
    inventory = Inventory(observed_at=house.clock.now, reachable=True, attempts=[seen])
    answer = await house.service.report("esac", inventory)
    assert (answer.remove, list(answer.adopted)) == ([], [UNKNOWN_ATTEMPT])
    lease = await house.service.lease(answer.adopted[UNKNOWN_ATTEMPT])
    assert lease is not None
    assert (lease.owner, lease.name, lease.state, lease.site, lease.started) == (
        "ana", "lab", LeaseState.ACTIVE, "esac", started,
    )  # fmt: skip
    # it holds what it holds, and pays from when it started
    assert await house.used() == 1
    await house.move(lease.id, "ended")
    usage = UsageService(house.database, lambda: house.platform, house.clock)
    day = house.clock.now.date()
    assert [row.session_hours for row in await usage.rows(day, day, ["user"])] == [2]
    # told twice, it is taken up once
    assert (await house.service.report("esac", inventory)).adopted == {}


async def test_what_outlived_its_lease_is_removed(house: House) -> None:
    lease = await house.start(at="esac")
    await house.move(lease.id, "ended")
    assert (await house.inventory("esac", lease.attempt_id)).remove == [], "it may be about to end"
    house.clock.advance(3)
    assert (await house.inventory("esac", lease.attempt_id)).remove == [lease.attempt_id]


async def test_a_site_that_cannot_be_reached_proves_nothing(house: House) -> None:
    lease = await house.start(at="esac")
    for _ in range(5):
        house.clock.advance(60)
        assert (await house.inventory("esac", reachable=False)).remove == []
        assert await swept(house) == []
    assert (await house.service.sites())["esac"].health.value == "down"
    house.clock.advance(60)
    await house.inventory("esac", lease.attempt_id)
    assert await swept(house) == []


async def test_an_inventory_of_one_site_proves_nothing_about_another(house: House) -> None:
    await house.start(at="esac")
    house.clock.advance(60)
    await house.inventory("cloud-eu")
    assert await swept(house) == []


@pytest.mark.parametrize(("seconds_before", "closes"), [(0, False), (1.9, False), (2, True)])
async def test_an_inventory_proves_nothing_about_what_moved_within_the_margin_of_the_clocks(
    house: House, seconds_before: float, closes: bool
) -> None:
    await house.start(at="esac")
    house.clock.advance(seconds_before)
    await house.inventory("esac")
    house.clock.advance(100)
    assert (await swept(house) != []) is closes


async def test_an_inventory_that_was_taken_before_a_start_does_not_close_it(house: House) -> None:
    lease = await house.start(at="esac")
    house.clock.advance(5)
    await house.inventory("esac", seconds_ago=10)
    assert await swept(house) == []
    assert (await house.inventory("esac", lease.attempt_id)).remove == []


async def test_an_inventory_that_comes_late_is_passed_over(house: House) -> None:
    lease = await house.start(at="esac")
    house.clock.advance(60)
    await house.inventory("esac", lease.attempt_id)
    house.clock.advance(1)
    assert (await house.inventory("esac", UNKNOWN_ATTEMPT, seconds_ago=30)).remove == []
    assert await swept(house) == []


async def test_an_inventory_from_the_future_is_refused(house: House) -> None:
    # it would prove things about leases that moved after it was really taken
    lease = await house.start(at="esac")
    with pytest.raises(Refused, match="set the clocks of hub and control") as caught:
        await house.inventory("esac", seconds_ago=-10)
    assert caught.value.problem.status == 422
    assert await swept(house) == []
    assert (await found(house, lease)).state is LeaseState.ACTIVE


async def test_an_inventory_of_no_site_is_refused(house: House) -> None:
    with pytest.raises(Refused, match="There is no site 'moon'") as caught:
        await house.inventory("moon")
    assert caught.value.problem.status == 404


async def test_a_site_is_up_down_or_unknown_by_its_inventories(house: House) -> None:
    async def health() -> tuple[str, str]:
        facts = (await house.service.sites())["esac"]
        return facts.health.value, facts.health_reason

    assert await health() == ("unknown", "has not been heard of yet")
    await house.inventory("esac")
    assert await health() == ("up", "")
    house.clock.advance(180)
    assert await health() == ("up", "")
    house.clock.advance(1)
    assert await health() == ("unknown", "has not been heard of since 12:00 UTC")
    await house.inventory("esac", reachable=False)
    assert await health() == ("down", "does not answer")


async def test_a_large_inventory_is_settled(house: House) -> None:
    house.platform = platform(sites={"esac": site(cpu=5000)}, quotas=[])
    lease = await house.start(at="esac")
    house.clock.advance(10)
    strangers = [f"{number:032x}" for number in range(3000)]
    answer = await house.inventory("esac", lease.attempt_id, orphans=tuple(strangers))
    assert answer.remove == strangers
    assert await swept(house) == []


@pytest.mark.parametrize("came_to", ["offered", "starting", "expired"])
async def test_a_ready_server_whose_lease_never_became_active_is_taken_up_under_it(house: House, came_to: str) -> None:
    offer = await house.service.ask(request("ana", name="lab"))
    if came_to == "starting":
        await house.move(offer.id, "starting", "esac")
    started = house.clock.now
    house.clock.advance(90)
    if came_to == "expired":
        assert [state for _, state, _ in await swept(house)] == ["expired"]
    facts = AttemptFacts(owner="ana", name="lab", profile="standard", started=started)
    seen = SeenAttempt(attempt_id=offer.attempt_id, owned=True, facts=facts)
    answer = await house.service.report("esac", Inventory(observed_at=house.clock.now, reachable=True, attempts=[seen]))
    assert answer == InventoryAnswer(remove=[], adopted={offer.attempt_id: offer.id})
    lease = await house.service.lease(offer.id)
    assert lease is not None
    assert (lease.state, lease.site, lease.started, lease.offer) == (LeaseState.ACTIVE, "esac", started, offer)
    assert await house.used() == 1


async def test_a_server_whose_lease_is_on_record_elsewhere_is_left_until_its_own_site_tells_of_it(house: House) -> None:
    # control answered too late to be heard: the lease is starting at one site, and the session runs at another
    offer = await house.service.ask(request("ana", datasets=["euclid-demo"], starting=True))
    house.clock.advance(90)
    assert await house.inventory("esac", offer.attempt_id) == InventoryAnswer(remove=[], adopted={})
    assert await swept(house) == []
    facts = AttemptFacts(owner="ana", profile="standard", started=house.clock.now)
    seen = SeenAttempt(attempt_id=offer.attempt_id, owned=True, facts=facts)
    inventory = Inventory(observed_at=house.clock.now, reachable=True, attempts=[seen])
    answer = await house.service.report("cloud-eu", inventory)
    assert answer == InventoryAnswer(remove=[], adopted={offer.attempt_id: offer.id})
    lease = await house.service.lease(offer.id)
    assert lease is not None
    assert (lease.state, lease.site) == (LeaseState.ACTIVE, "cloud-eu")


async def test_a_ready_server_whose_lease_has_ended_is_removed(house: House) -> None:
    lease = await house.start(at="esac")
    await house.move(lease.id, "ended")
    house.clock.advance(60)
    facts = AttemptFacts(owner="ana", profile="standard", started=house.clock.now)
    seen = SeenAttempt(attempt_id=lease.attempt_id, owned=True, facts=facts)
    answer = await house.service.report("esac", Inventory(observed_at=house.clock.now, reachable=True, attempts=[seen]))
    assert answer == InventoryAnswer(remove=[lease.attempt_id], adopted={})


async def test_an_attempt_that_a_site_shows_twice_is_one_attempt(house: House) -> None:
    facts = AttemptFacts(owner="ana", profile="standard", started=house.clock.now)
    known = SeenAttempt(attempt_id="1" * 32, owned=True, facts=facts)
    others = [SeenAttempt(attempt_id=number * 32, owned=False) for number in "21"]
    bare = SeenAttempt(attempt_id="1" * 32, owned=True)
    seen = Inventory(observed_at=house.clock.now, reachable=True, attempts=[*others, known, bare, known, others[0]])
    assert seen.attempts == [others[0], known]
    answer = await house.service.report("esac", seen)
    assert list(answer.adopted) == ["1" * 32]
    assert await house.used() == 1
