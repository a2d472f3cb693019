"""Clusters on both databases: admitted at their gateway's site, grown up to a limit, metered by what was granted."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.models import (
    ClosureRequest,
    ClusterRequest,
    Inventory,
    InventoryAnswer,
    LeaseOffer,
    LeaseState,
    Resources,
    SeenAttempt,
)
from perijove_hub.admission.clusters import most_that_fits
from perijove_hub.admission.desk import Desk
from perijove_hub.admission.models import Refused
from perijove_hub.admission.renewals import Renewals
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.usage import UsageService
from perijove_hub.policy.models import Platform
from tests.support.platforms import House, open_house, platform, site

#: A scheduler, and a worker.
SMALL, WORKER = Resources(cpu=1, memory_gib=1), Resources(cpu=2, memory_gib=4)


def policy(*quotas: dict[str, Any], **more: Any) -> Platform:
    priced = site(cpu=20, memory_gib=64, price={"cpu_hour": 1.0})
    return platform(sites={"esac": priced, "cloud-eu": site("Cloud EU", "eu-de-1")}, quotas=list(quotas), **more)


@pytest.fixture
async def house(ledger: str) -> AsyncIterator[House]:
    async with open_house(ledger, policy()) as house:
        yield house


def wish(owner: str = "ana", **more: Any) -> ClusterRequest:
    said = {"owner": owner, "kind": "cluster", "name": "c1", "attempt_id": uuid.uuid4().hex, "resources": SMALL}
    return ClusterRequest.model_validate({**said, **more})


async def ask(house: House, owner: str = "ana", **more: Any) -> LeaseOffer:
    return await house.service.ask_cluster("esac", wish(owner, **more))


async def run(house: House, owner: str = "ana", **more: Any) -> LeaseRow:
    return await house.move((await ask(house, owner, **more)).id, "active")


def with_workers(count: int) -> Resources:
    return Resources(cpu=SMALL.cpu + count * WORKER.cpu, memory_gib=SMALL.memory_gib + count * WORKER.memory_gib)


async def grow(house: House, lease: LeaseRow | LeaseOffer, workers: int) -> tuple[Resources, str | None]:
    row, capped = await house.service.resize("esac", lease.id, with_workers(workers), WORKER)
    return row.resources, capped


async def report(house: House, *attempts: str, reachable: bool = True, seconds_ago: float = 0) -> InventoryAnswer:
    seen = [SeenAttempt(attempt_id=attempt, owned=True) for attempt in attempts]
    observed_at = house.clock.now - timedelta(seconds=seconds_ago)
    inventory = Inventory(observed_at=observed_at, reachable=reachable, attempts=seen)
    return await house.service.report_clusters("esac", inventory)


# --- asking -------------------------------------------------------------------------------------------------------


async def test_a_cluster_begins_at_the_site_of_its_gateway_and_says_why(house: House) -> None:
    asked = wish(groups=["astro"])
    offer = await house.service.ask_cluster("esac", asked)
    assert await house.service.ask_cluster("esac", asked) == offer
    lease = await house.service.lease(offer.id)
    assert lease is not None
    said = lease.said(house.clock.now).model_dump(include={"kind", "name", "site", "state", "resources", "cost_hour"})
    assert said == {
        "kind": "cluster", "name": "c1", "site": "esac", "state": "starting",
        "resources": {"cpu": 1, "memory_gib": 1, "gpu": 0}, "cost_hour": 1.0,
    }  # fmt: skip
    assert lease.explanation.summary.startswith("ESAC: ")
    assert (await house.move(offer.id, "active")).state is LeaseState.ACTIVE


async def test_clusters_have_a_limit_of_their_own_and_share_the_others_with_sessions(house: House) -> None:
    house.platform = policy(
        {"name": "one-cluster", "resource": "clusters", "limit": 1},
        {"name": "cores", "resource": "cpu", "limit": 3},
    )
    first = await run(house)
    await house.start("ana", at="esac")
    with pytest.raises(Refused, match=r"Limit one-cluster reached: 1 of 1 clusters used\. Stop a running cluster"):
        await ask(house)
    await house.move(first.id, "ended")
    await house.start("ana")
    with pytest.raises(Refused, match="Limit cores would be passed: 2 of 3 cores used, and 2 more are needed"):
        await ask(house, resources=WORKER)
    await ask(house)


async def test_a_site_that_cannot_take_a_cluster_says_why(house: House) -> None:
    with pytest.raises(Refused, match="No site can run this now: ESAC has 20 cores in all, and 21 are needed"):
        await ask(house, resources={"cpu": 21, "memory_gib": 1})
    desk = Desk(house.database, lambda: house.platform, house.clock)
    await desk.close_site(ClosureRequest(site="esac", reason="new cooling"), "root")
    with pytest.raises(Refused, match="No site can run this now: ESAC takes no starts: new cooling"):
        await ask(house)


async def test_of_many_clusters_at_once_no_more_are_admitted_than_may_be(house: House) -> None:
    house.platform = policy({"name": "two-clusters", "resource": "clusters", "limit": 2})
    asked = await asyncio.gather(*(ask(house) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(answer, LeaseOffer) for answer in asked) == 2
    assert sum(isinstance(answer, Refused) for answer in asked) == 6


@pytest.mark.parametrize("other", [{"owner": "bob"}, {"name": "c2"}])
async def test_an_attempt_id_is_for_one_cluster(house: House, other: dict[str, str]) -> None:
    asked = wish()
    await house.service.ask_cluster("esac", asked)
    with pytest.raises(Refused, match="asked for another workload"):
        await house.service.ask_cluster("esac", asked.model_copy(update=other))
    with pytest.raises(Refused, match="asked for another workload"):
        await house.service.ask_cluster("cloud-eu", asked)


# --- growing and shrinking ----------------------------------------------------------------------------------------


async def test_a_cluster_gets_as_many_workers_as_fit_and_is_told_what_is_in_the_way(house: House) -> None:
    house.platform = policy({"name": "cores", "resource": "cpu", "limit": 8})
    lease = await run(house)
    assert await grow(house, lease, 2) == (with_workers(2), None)
    granted, capped = await grow(house, lease, 4_000)
    assert granted == with_workers(3)
    assert capped == (
        "Limit cores allows 8 cores, and 9 are needed at least. "
        "Choose smaller workers, or fewer, or ask an admin for an extension."
    )
    assert await grow(house, lease, 4) == (with_workers(3), capped)
    assert await grow(house, lease, 0) == (SMALL, None)


async def test_what_is_free_at_the_site_bounds_a_cluster_too(house: House) -> None:
    lease = await run(house)
    await run(house, "bob", resources={"cpu": 12, "memory_gib": 1})
    granted, capped = await grow(house, lease, 10)
    assert (granted, capped) == (
        with_workers(3),
        "No site can run this now: ESAC has 8 of 20 cores free, and 9 are needed.",
    )


async def test_without_a_step_a_cluster_gets_all_or_stays_as_it_is(house: House) -> None:
    house.platform = policy({"name": "cores", "resource": "cpu", "limit": 8})
    lease = await run(house)
    row, capped = await house.service.resize("esac", lease.id, with_workers(4), None)
    assert row.resources == SMALL
    assert capped is not None
    row, capped = await house.service.resize("esac", lease.id, with_workers(3), None)
    assert (row.resources, capped) == (with_workers(3), None)


async def test_two_clusters_that_grow_at_once_do_not_pass_a_limit(house: House) -> None:
    house.platform = policy({"name": "cores", "resource": "cpu", "limit": 12})
    leases = [await run(house), await run(house)]
    await asyncio.gather(*(grow(house, lease, 4) for lease in leases * 3))
    held = [await house.service.lease(lease.id) for lease in leases]
    # the first has all that it wants, the other what is left
    assert sorted(lease.resources.cpu for lease in held if lease) == [3, 9]


async def test_a_cluster_costs_what_it_held_for_as_long_as_it_held_it(house: House) -> None:
    lease = await run(house)
    house.clock.advance(3600)
    await grow(house, lease, 2)
    house.clock.advance(1800)
    await grow(house, lease, 2)
    house.clock.advance(1800)
    await grow(house, lease, 1)
    house.clock.advance(7200)
    ended = await house.move(lease.id, "ended")
    # one core for an hour, five for another, three for two
    assert ended.cost(house.clock.now) == 12.0
    usage = UsageService(house.database, lambda: house.platform, house.clock)
    [row] = await usage.rows(date(2026, 3, 1), date(2026, 3, 1), ["kind"], "ana")
    assert (row.kind, row.cpu_hours, row.session_hours, row.cost) == ("cluster", 12.0, 4.0, 12.0)


async def test_growth_is_bounded_by_what_is_left_over_time(house: House) -> None:
    house.platform = policy({"name": "hours", "resource": "cpu_hours", "limit": 0.5, "window": "day"})
    lease = await run(house)
    granted, capped = await grow(house, lease, 10)
    # five minutes of it must fit: six cores are half a core hour
    assert granted == with_workers(2)
    assert capped is not None
    assert capped == (
        "Limit hours allows 0.5 core hours today, and 0.58 are needed at least. "
        "Choose smaller workers, or fewer, or ask an admin for an extension."
    )


async def test_a_cluster_that_starts_may_grow_and_is_not_charged_before_it_runs(house: House) -> None:
    offer = await ask(house)
    house.clock.advance(30)
    assert await grow(house, offer, 1) == (with_workers(1), None)
    house.clock.advance(30)
    lease = await house.move(offer.id, "active")
    assert lease.cost(house.clock.now) == 0
    house.clock.advance(3600)
    assert lease.cost(house.clock.now) == 3.0


async def test_a_cluster_that_runs_is_renewed_and_warned_of_as_a_session(house: House) -> None:
    house.platform = policy(
        {"name": "hours", "resource": "cpu_hours", "limit": 3, "window": "day", "on_exhaustion": "stop"}
    )
    lease = await run(house)
    renewals = Renewals(house.database, lambda: house.platform, house.clock)
    for _ in range(6):
        house.clock.advance(1795)
        await renewals.renew()
    stopping = await house.service.lease(lease.id)
    assert stopping is not None
    assert stopping.quota_stop_at is not None
    desk = Desk(house.database, lambda: house.platform, house.clock)
    said = [notice.message for notice in await desk.notices("ana", frozenset())]
    assert any("Your cluster c1 is stopped at" in message for message in said)


async def test_what_is_not_of_the_gateway_is_not_there(house: House) -> None:
    session = await house.start("ana", at="esac")
    cluster = await run(house)
    for at, lease in (("esac", session.id), ("cloud-eu", cluster.id), ("esac", "0" * 32)):
        with pytest.raises(Refused, match=f"The gateway of {at} has no lease {lease}"):
            await house.service.resize(at, lease, SMALL, None)
    await house.move(cluster.id, "ended")
    with pytest.raises(Refused, match="is ended; ask for a new one"):
        await grow(house, cluster, 1)


amounts = st.integers(1, 60)


@given(has=amounts, more=amounts, size=amounts, room=st.integers(0, 200))
def test_as_few_steps_as_needed_are_left_out(has: int, more: int, size: int, room: int) -> None:
    def cores(number: float) -> Resources:
        return Resources(cpu=number, memory_gib=1)

    step = Resources.model_construct(cpu=size, memory_gib=0, gpu=0)
    granted, capped = most_that_fits(
        cores(has), cores(has + more), step, lambda resources: None if resources.cpu <= room else f"{resources.cpu:g}"
    )
    offers = [has + more - steps * size for steps in range(more) if has + more - steps * size > has]
    fitting = [offer for offer in offers if offer <= room]
    assert granted.cpu == max(fitting, default=has)
    assert (capped is None) == (granted.cpu == has + more)
    if capped is not None:
        assert float(capped) == min(offer for offer in offers if offer > granted.cpu)


@given(workers=st.integers(1, 50), fits=st.integers(0, 50))
def test_tenths_of_cores_are_no_less_than_they_are(workers: int, fits: int) -> None:
    def tenths(count: int) -> Resources:
        return Resources(cpu=0.1 + count * 0.1, memory_gib=0.1 + count * 0.1)

    step = Resources(cpu=0.1, memory_gib=0.1)
    granted, _ = most_that_fits(
        tenths(0), tenths(workers), step, lambda r: None if r.cpu <= tenths(fits).cpu + 1e-9 else "full"
    )
    assert granted.cpu == pytest.approx(tenths(min(workers, fits)).cpu)
    assert granted.cpu >= tenths(0).cpu


# --- inventories --------------------------------------------------------------------------------------------------


async def test_a_cluster_that_its_gateway_does_not_know_is_closed_when_it_was_last_seen(house: House) -> None:
    lease, other = await run(house), await run(house, "bob")
    house.clock.advance(60)
    await report(house, lease.attempt_id, other.attempt_id)
    seen = house.clock.now
    house.clock.advance(60)
    await report(house, other.attempt_id)
    [dead] = await house.service.sweep()
    assert (dead.lease.id, dead.state, dead.ended, dead.reason) == (
        lease.id, LeaseState.FAILED, seen, "the gateway of esac does not know it",
    )  # fmt: skip
    assert await house.service.sweep() == []


async def test_the_hub_and_the_gateway_of_a_site_each_prove_their_own(house: House) -> None:
    session, cluster = await house.start("ana", at="esac"), await run(house)
    house.clock.advance(60)
    assert (await house.inventory("esac", session.attempt_id)).remove == []
    assert await house.service.sweep() == []  # the hub shows no cluster
    assert (await report(house, cluster.attempt_id)).remove == []
    assert await house.service.sweep() == []  # the gateway shows no session


async def test_a_gateway_is_told_which_of_its_clusters_must_end(house: House) -> None:
    lease = await run(house)
    await house.move(lease.id, "ended")
    house.clock.advance(60)
    assert (await report(house, lease.attempt_id)).remove == [lease.attempt_id]
    assert (await report(house, lease.attempt_id, seconds_ago=30)).remove == []  # a newer one has spoken
    with pytest.raises(Refused, match="observed_at lies in the future"):
        await report(house, seconds_ago=-60)


async def test_a_cluster_that_a_restored_ledger_does_not_know_must_end(house: House) -> None:
    lease, lost = await run(house), "f" * 32
    house.clock.advance(60)
    assert (await report(house, lease.attempt_id, lost)).remove == [lost]


async def test_a_gateway_that_sees_nothing_proves_nothing(house: House) -> None:
    await run(house)
    house.clock.advance(60)
    assert (await report(house, reachable=False)).remove == []
    assert await house.service.sweep() == []
