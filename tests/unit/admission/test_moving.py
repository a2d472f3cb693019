from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from perijove.models import LeaseState
from perijove_hub.admission.models import Refused
from perijove_hub.ledger.locks import lock_subjects
from tests.support.platforms import House, dataset, open_house, platform, replica, request, site


@pytest.fixture
async def house(ledger: str) -> AsyncIterator[House]:
    async with open_house(ledger) as house:
        yield house


async def conflict(house: House, lease_id: str, state: str, at: str | None = None, **more: object) -> str:
    """The sentence of a move that is refused with 409, after which nothing has changed."""
    before = await house.service.lease(lease_id)
    with pytest.raises(Refused) as caught:
        await house.move(lease_id, state, at, **more)
    assert caught.value.problem.status == 409
    assert await house.service.lease(lease_id) == before
    return caught.value.problem.detail


async def test_the_life_of_a_lease_from_offer_to_bill(house: House) -> None:
    house.platform = platform(sites={"esac": site(price={"cpu_hour": 0.25, "memory_gib_hour": 0.5})})
    begun = house.clock.now
    offer = await house.service.ask(request())

    house.clock.advance(5)
    lease = await house.move(offer.id, "starting", "esac")
    assert (lease.state, lease.site, lease.started) == (LeaseState.STARTING, "esac", None)
    assert lease.cost(house.clock.now) == 0

    house.clock.advance(5)
    lease = await house.move(offer.id, "active")
    assert (lease.state, lease.started) == (LeaseState.ACTIVE, begun + timedelta(seconds=10))

    house.clock.advance(1800)
    assert lease.cost(house.clock.now) == 0.5 * (1 * 0.25 + 2 * 0.5)
    lease = await house.move(offer.id, "ended", reason="stopped")
    house.clock.advance(3600)
    assert lease.said(house.clock.now).model_dump() == {
        "id": offer.id,
        "attempt_id": offer.attempt_id,
        "owner": "ana",
        "kind": "session",
        "name": "",
        "profile": "standard",
        "image": None,
        "charge_to": None,
        "site": "esac",
        "state": "ended",
        "resources": {"cpu": 1, "memory_gib": 2, "gpu": 0},
        "created": begun,
        "started": begun + timedelta(seconds=10),
        "ended": begun + timedelta(seconds=1810),
        "reason": "stopped",
        "cost": 0.625,
        "cost_hour": 1.25,
        "ends_at": None,
        "idle_stop_at": None,
        "quota_stop_at": None,
        "allowed_stop_at": None,
        "keeps_left": 2,
        "explanation": offer.explanation.model_dump(),
    }
    assert await house.used() == 0


async def test_a_move_may_be_repeated(house: House) -> None:
    offer = await house.service.ask(request())
    for state, at in (("starting", "esac"), ("active", None), ("ended", None)):
        first = await house.move(offer.id, state, at)
        house.clock.advance(1)
        assert await house.move(offer.id, state, at) == first


async def test_the_price_is_that_in_force_at_the_start(house: House) -> None:
    house.platform = platform(sites={"esac": site(price={"cpu_hour": 1})})
    lease = await house.start()
    house.platform = platform(sites={"esac": site(price={"cpu_hour": 100})})
    house.clock.advance(3600)
    assert (await house.move(lease.id, "ended")).cost(house.clock.now) == 1


async def test_a_lease_makes_no_move_that_skips_a_step_or_goes_back(house: House) -> None:
    offer = await house.service.ask(request(site="esac"))
    assert "must be starting on a site first" in await conflict(house, offer.id, "active")
    assert "was not offered site 'cloud-eu'" in await conflict(house, offer.id, "starting", "cloud-eu")
    assert "was not offered site None" in await conflict(house, offer.id, "starting")
    await house.move(offer.id, "starting", "esac")
    await house.move(offer.id, "active")
    assert "is active at esac" in await conflict(house, offer.id, "starting", "esac")
    await house.move(offer.id, "ended")
    assert "is ended; ask for a new one" in await conflict(house, offer.id, "starting", "esac")
    assert "is ended; ask for a new one" in await conflict(house, offer.id, "active")


async def test_a_lease_that_is_not_there_is_not_moved(house: House) -> None:
    with pytest.raises(Refused) as caught:
        await house.move("0" * 32, "active")
    assert (caught.value.problem.status, caught.value.problem.detail) == (404, f"There is no lease {'0' * 32}.")


async def test_an_offer_that_ran_out_is_not_taken_up(house: House) -> None:
    offer = await house.service.ask(request())
    house.clock.advance(60)
    assert "is expired; ask for a new one" in await conflict(house, offer.id, "starting", "esac")
    assert (await house.move(offer.id, "ended")).state is LeaseState.ENDED


async def test_an_offer_that_runs_out_while_its_move_waits_is_not_taken_up(house: House) -> None:
    # the writer's place is held until the offer has run out; what it held is given to another meanwhile
    house.platform = platform(quotas=[{"name": "one", "resource": "sessions", "limit": 1}])
    offer = await house.service.ask(request())
    house.clock.advance(59)

    async def take_up_late() -> None:
        async with house.database.write() as connection:
            await lock_subjects(connection, ["user:ana"])
            moving = asyncio.create_task(house.move(offer.id, "starting", "esac"))
            await asyncio.sleep(0.1)
            house.clock.advance(2)
        await moving

    with pytest.raises(Refused, match="is expired"):
        await take_up_late()


async def test_a_site_that_filled_up_since_the_offer_refuses_the_start(house: House) -> None:
    house.platform = platform(sites={"esac": site(cpu=1), "cloud-eu": site("Cloud EU", "eu-de-1", cpu=1)})
    first = await house.service.ask(request("ana", datasets=["euclid-demo"]))
    second = await house.service.ask(request("bob"))
    assert [c.site for c in first.candidates] == ["esac", "cloud-eu"]
    assert [c.site for c in second.candidates] == ["cloud-eu"]
    # ana's second choice is held by bob's offer
    assert await conflict(house, first.id, "starting", "cloud-eu") == "has 0 of 1 cores free, and 1 is needed"
    await house.move(first.id, "starting", "esac")
    await house.move(second.id, "starting", "cloud-eu")


async def test_a_start_moves_from_site_to_site_and_holds_only_one(house: House) -> None:
    offer = await house.service.ask(request(datasets=["euclid-demo"]))
    await house.move(offer.id, "starting", "esac")
    await house.move(offer.id, "starting", "cloud-eu", site_failed=True)
    assert {name: facts.held_cpu for name, facts in (await house.service.sites()).items()} == {
        "esac": 0,
        "cloud-eu": 1,
    }


async def test_a_site_that_left_the_platform_takes_no_start(house: House) -> None:
    offer = await house.service.ask(request(datasets=["euclid-demo"]))
    house.platform = platform(sites={"cloud-eu": site("Cloud EU", "eu-de-1")}, datasets={})
    assert await conflict(house, offer.id, "starting", "esac") == "Site 'esac' is no longer in the platform file."


async def test_the_first_session_makes_the_home_and_the_next_finds_it(house: House) -> None:
    await house.start(at="cloud-eu")
    offer = await house.service.ask(request())
    assert offer.spawn.home_site == "cloud-eu"
    assert offer.candidates[0].site == "cloud-eu"
    assert "holds your home" in offer.candidates[0].reasons
    assert "mounts your home" in offer.candidates[1].reasons


async def test_a_session_without_its_home_makes_none(house: House) -> None:
    await house.start(without_home=True)
    assert (await house.service.ask(request())).spawn.home_site is None


async def test_two_first_sessions_at_once_cannot_make_two_homes(house: House) -> None:
    one, two = await house.service.ask(request(name="one")), await house.service.ask(request(name="two"))
    assert one.spawn.home_site is two.spawn.home_site is None
    await house.move(one.id, "starting", "esac")
    assert await conflict(house, two.id, "starting", "cloud-eu") == (
        "Another session of yours has made your home at esac meanwhile; start this one again."
    )
    await house.move(two.id, "starting", "esac")


async def test_a_first_session_takes_its_home_along_to_the_site_that_starts_it(house: House) -> None:
    house.platform = platform(
        sites={"esac": site(), "cloud-eu": site("Cloud EU", "eu-de-1")},
        datasets={"euclid-demo": dataset(replica(site="esac"))},
    )
    offer = await house.service.ask(request(datasets=["euclid-demo"]))
    await house.move(offer.id, "starting", "esac")
    await house.move(offer.id, "starting", "cloud-eu", site_failed=True)
    await house.move(offer.id, "active")
    assert (await house.service.ask(request())).spawn.home_site == "cloud-eu"


async def test_a_home_that_was_used_stays_where_it_is(house: House) -> None:
    first, second = await house.service.ask(request(name="one")), await house.service.ask(request(name="two"))
    await house.move(first.id, "starting", "esac")
    await house.move(second.id, "starting", "esac")
    await house.move(second.id, "active")
    await house.move(second.id, "ended")
    assert "has made your home at esac" in await conflict(house, first.id, "starting", "cloud-eu", site_failed=True)


async def test_a_home_at_a_site_that_left_the_platform_is_not_made_anew(house: House) -> None:
    await house.start(at="esac")
    house.platform = platform(sites={"cloud-eu": site("Cloud EU", "eu-de-1")}, datasets={})
    with pytest.raises(Refused, match="Cloud EU does not mount your home, which is at esac"):
        await house.service.ask(request())
    assert (await house.service.ask(request(without_home=True))).candidates[0].site == "cloud-eu"


async def test_a_session_that_started_elsewhere_than_ranked_first_says_so(house: House) -> None:
    offer = await house.service.ask(request(datasets=["euclid-demo"]))
    await house.move(offer.id, "starting", "esac")
    lease = await house.move(offer.id, "starting", "cloud-eu")
    assert lease.said(house.clock.now).explanation.summary == (
        f"Cloud EU: ESAC did not start it. Ranked first was {offer.explanation.summary}"
    )
    # the ranking itself is kept as it was
    assert lease.offer == offer
