from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from perijove_hub.admission import breaker
from perijove_hub.admission.models import Refused
from perijove_hub.ledger.models import SiteRow
from tests.support.platforms import FakeClock, House, open_house, platform, request


def failed(*owners: str) -> SiteRow:
    row = SiteRow("esac")
    for owner in owners:
        row = breaker.after_failure(row, owner, FakeClock().now)
    return row


def test_the_failures_of_three_users_take_a_site_out_and_a_success_brings_it_back() -> None:
    now = FakeClock().now
    assert not breaker.is_out(failed("ana", "bob"), now)
    row = failed("ana", "bob", "eva")
    assert breaker.is_out(row, now)
    assert breaker.is_out(row, now + timedelta(seconds=59))
    assert not breaker.is_out(row, now + timedelta(seconds=60))
    assert not breaker.is_out(breaker.after_success(row), now)
    row = breaker.after_success(failed("ana", "bob"))
    assert not breaker.is_out(breaker.after_failure(row, "eva", now), now)


def test_one_user_with_a_broken_home_takes_no_site_out_for_others() -> None:
    assert not breaker.is_out(failed(*["mallory"] * 50), FakeClock().now)


def test_after_an_outage_one_probe_goes_and_the_others_wait_for_it() -> None:
    now, row = FakeClock().now, failed("ana", "bob", "eva")
    now += timedelta(seconds=60)
    row = breaker.on_probe(row, now)
    assert breaker.is_out(row, now)
    assert breaker.is_out(breaker.after_failure(row, "max", now), now + timedelta(seconds=59))
    assert not breaker.is_out(breaker.after_success(row), now)


def test_a_start_on_a_site_in_order_is_no_probe() -> None:
    row = failed("ana")
    assert breaker.on_probe(row, FakeClock().now) == row


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, platform(quotas=[])) as house:
        yield house


async def fail(house: House, owner: str) -> None:
    """A session that ESAC does not start and Cloud EU does."""
    offer = await house.service.ask(request(owner, datasets=["euclid-demo"]))
    await house.move(offer.id, "starting", "esac")
    for _ in range(2):  # an answer that got lost is asked for again
        await house.move(offer.id, "starting", "cloud-eu", site_failed=True)
    await house.move(offer.id, "active")


async def test_a_site_that_fails_three_starts_is_passed_over_until_a_probe_works(house: House) -> None:
    for owner in ("ana", "bob", "eva"):
        assert (await house.service.sites())["esac"].health.value == "unknown"
        await fail(house, owner)
    facts = (await house.service.sites())["esac"]
    assert facts.health.value == "down"
    assert facts.health_reason == "failed the starts of several users in a row and is tried again in a minute"
    offer = await house.service.ask(request("max", datasets=["euclid-demo"]))
    assert [candidate.site for candidate in offer.candidates] == ["cloud-eu"]
    assert offer.explanation.rejected[0].reasons == [facts.health_reason]

    house.clock.advance(60)
    probe = await house.service.ask(request("max", datasets=["euclid-demo"], name="probe"))
    late = await house.service.ask(request("ina", datasets=["euclid-demo"]))
    assert probe.candidates[0].site == late.candidates[0].site == "esac"
    await house.move(probe.id, "starting", "esac")
    with pytest.raises(Refused, match="failed the starts of several users"):
        await house.move(late.id, "starting", "esac")
    await house.move(probe.id, "active")
    await house.move(late.id, "starting", "esac")


async def test_of_starts_that_begin_at_once_one_is_the_probe(house: House) -> None:
    for owner in ("ana", "bob", "eva"):
        await fail(house, owner)
    house.clock.advance(60)
    probe = await house.service.ask(request("max", datasets=["euclid-demo"], starting=True))
    late = await house.service.ask(request("ina", datasets=["euclid-demo"], starting=True))
    assert (probe.candidates[0].site, late.candidates[0].site) == ("esac", "cloud-eu")
    await house.move(probe.id, "active")
    assert (await house.service.sites())["esac"].health.value == "unknown"


async def test_the_failure_of_the_last_candidate_counts_once(house: House) -> None:
    for owner in ("ana", "bob", "eva"):
        offer = await house.service.ask(request(owner, site="esac"))
        await house.move(offer.id, "starting", "esac")
        for _ in range(2):
            await house.move(offer.id, "ended", site_failed=True, reason="no answer")
    row = (await house.service.sites())["esac"]
    assert row.health_reason.startswith("failed the starts of several users")


async def test_who_changes_their_mind_does_no_site_harm(house: House) -> None:
    for owner in ("ana", "bob", "eva", "ina"):
        offer = await house.service.ask(request(owner, site="esac"))
        await house.move(offer.id, "ended", site_failed=True)  # it was on no site yet
        offer = await house.service.ask(request(owner, site="esac"))
        await house.move(offer.id, "starting", "esac")
        await house.move(offer.id, "ended")
    assert (await house.service.sites())["esac"].health.value == "unknown"
