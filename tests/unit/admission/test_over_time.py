"""Limits over time: slices are reserved, renewed, and given back; entries add up to what was used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from perijove.models import LeasePatch, LeaseState
from perijove_hub.admission.desk import Desk
from perijove_hub.admission.models import Refused
from perijove_hub.admission.renewals import Renewals
from perijove_hub.ledger import schema
from perijove_hub.ledger.usage import UsageService
from tests.support.platforms import House, open_house, platform, profile, request, site

GPU = {"gpu": profile("GPU", cpu=1, memory_gib=2, gpu=1), "plain": profile("Plain", cpu=2, memory_gib=4)}
PRICE = {"cpu_hour": 0.1, "memory_gib_hour": 0.01, "gpu_hour": 1.0}


def policy(*quotas: dict[str, Any], **parts: Any) -> Any:
    sites = {
        "esac": site(gpu=8, price=PRICE, mounts_homes_of=["cloud-eu"]),
        "cloud-eu": site("Cloud EU", "eu-de-1", cpu=16, gpu=8, price={"gpu_hour": 4.0}, mounts_homes_of=["esac"]),
    }
    return platform(sites=sites, profiles=GPU, quotas=list(quotas), datasets={}, **parts)


def gpu_month(limit: float, **more: Any) -> dict[str, Any]:
    return {"name": "gpu-month", "resource": "gpu_hours", "window": "month", "limit": limit, **more}


@pytest.fixture
async def house(ledger: str) -> AsyncIterator[House]:
    async with open_house(ledger, policy(gpu_month(3))) as opened:
        yield opened


def renewals(house: House) -> Renewals:
    return Renewals(house.database, lambda: house.platform, house.clock)


async def used(house: House, name: str = "gpu-month", owner: str = "ana", *groups: str) -> tuple[float, float]:
    views = await house.service.quotas(owner, frozenset(groups))
    return next((view.used, view.reserved) for view in views if view.name == name)


async def entries(house: House) -> list[tuple[Any, ...]]:
    columns = schema.usage_entries.c
    async with house.database.read() as connection:
        rows = await connection.execute(
            select(columns.begins, columns.ends, columns.gpu, columns.cost, columns.entry).order_by(columns.id)
        )
        return [tuple(row) for row in rows]


async def notices(house: House) -> list[str]:
    async with house.database.read() as connection:
        query = select(schema.notices.c.message).order_by(schema.notices.c.id)
        return list((await connection.execute(query)).scalars())


async def test_an_offer_reserves_a_slice_of_an_hour(house: House) -> None:
    await house.service.ask(request(profile="gpu"))
    assert await used(house) == (1, 1)


async def test_what_cannot_be_reserved_is_refused_with_the_time_it_frees(house: House) -> None:
    for _ in range(3):
        await house.service.ask(request(profile="gpu"))
    with pytest.raises(Refused) as refused:
        await house.service.ask(request(profile="gpu"))
    problem = refused.value.problem
    assert problem.model_dump(mode="json") == {
        "type": "urn:perijove:over-limit",
        "title": "Limit reached",
        "status": 403,
        "detail": "Limit gpu-month reached: 3 of 3 GPU hours used this month. "
        "It fits again from 1 April 2026, 00:00 UTC on. Choose a smaller profile, or ask an admin for an extension.",
        "limit": 3.0,
        "used": 3.0,
        "unit": "GPU hours",
        "frees_at": "2026-04-01T00:00:00Z",
    }
    # what needs none of it starts
    await house.service.ask(request(profile="plain"))


async def test_the_last_piece_of_a_limit_can_be_used(ledger: str) -> None:
    async with open_house(ledger, policy(gpu_month(1.25))) as house:
        await house.start(profile="gpu")
        lease = await house.start(profile="gpu")
        assert lease.reserved_until == house.clock.now + timedelta(minutes=15)
        with pytest.raises(Refused):
            await house.service.ask(request(profile="gpu"))


async def test_an_expired_offer_gives_its_slice_back(house: House) -> None:
    await house.service.ask(request(profile="gpu"))
    house.clock.advance(61)
    assert await used(house) == (0, 0)


async def test_a_session_that_ends_is_charged_for_its_time_and_no_more(house: House) -> None:
    lease = await house.start(profile="gpu", at="esac")
    begun = house.clock.now
    house.clock.advance(1800)
    await house.move(lease.id, "ended")
    assert await used(house) == (0.5, 0)
    # a core and two GiB cost 0.12 an hour there, and the GPU 1
    assert await entries(house) == [(begun, house.clock.now, 1.0, pytest.approx(0.56), "use")]


async def test_a_renewal_writes_what_was_used_and_reserves_the_next_slice(house: House) -> None:
    await house.start(profile="gpu", at="esac")
    assert await renewals(house).renew() == 0
    house.clock.advance(1800)
    assert await renewals(house).renew() == 1
    assert await used(house) == (1.5, 1)
    assert len(await entries(house)) == 1
    assert await renewals(house).renew() == 0


async def test_a_limit_that_only_denies_lets_a_session_go_on_and_counts_it(house: House) -> None:
    lease = await house.start(profile="gpu", at="esac")
    for _ in range(5):
        house.clock.advance(3600)
        await renewals(house).renew()
    assert (await used(house))[0] >= 5
    found = await house.service.lease(lease.id)
    assert found is not None
    assert (found.state, found.quota_stop_at) == (LeaseState.ACTIVE, None)


async def test_a_limit_that_stops_warns_waits_and_names_the_time(ledger: str) -> None:
    async with open_house(ledger, policy(gpu_month(2, on_exhaustion="stop", grace="15m", warn_at=[0.6]))) as house:
        lease = await house.start(profile="gpu", at="esac")
        house.clock.advance(3600)
        await renewals(house).renew()
        assert await notices(house) == ["2 of 2 GPU hours of your limit gpu-month are used or reserved this month."]
        house.clock.advance(3600)
        await renewals(house).renew()
        found = await house.service.lease(lease.id)
        assert found is not None
        assert found.quota_stop_at == house.clock.now + timedelta(minutes=15)
        assert (await notices(house))[-1] == (
            "Limit gpu-month is used up. Your server is stopped at 1 March 2026, 14:15 UTC: save your work. "
            "An admin can grant an extension until then."
        )
        # the deadline stands, and is told once
        house.clock.advance(60)
        await renewals(house).renew()
        after = await house.service.lease(lease.id)
        assert after is not None
        assert after.quota_stop_at == found.quota_stop_at
        assert len(await notices(house)) == 2


async def test_an_extension_in_time_takes_the_stop_and_its_notice_away(ledger: str) -> None:
    async with open_house(ledger, policy(gpu_month(1, on_exhaustion="stop"))) as house:
        lease = await house.start(profile="gpu", at="esac")
        house.clock.advance(3600)
        await renewals(house).renew()
        desk = Desk(house.database, lambda: house.platform, house.clock)
        assert "is used up" in (await desk.notices("ana", frozenset()))[-1].message
        house.platform = policy(gpu_month(10, on_exhaustion="stop"))
        await renewals(house).renew()
        found = await house.service.lease(lease.id)
        assert found is not None
        assert found.quota_stop_at is None
        assert [
            notice.message for notice in await desk.notices("ana", frozenset()) if "used up" in notice.message
        ] == []


async def test_an_extension_of_one_limit_leaves_the_stop_of_the_next_with_its_own_time(ledger: str) -> None:
    short, long = (
        {"name": name, "resource": resource, "window": "month", "limit": 1, "on_exhaustion": "stop", "grace": grace}
        for name, resource, grace in (("short", "gpu_hours", "15m"), ("long", "cpu_hours", "2h"))
    )
    async with open_house(ledger, policy(short, long)) as house:
        lease = await house.start(profile="gpu", at="esac")
        house.clock.advance(3600)
        await renewals(house).renew()
        stopped = await house.service.lease(lease.id)
        assert stopped is not None
        assert stopped.quota_stop_name == "short"
        house.platform = policy({**short, "limit": 10}, long)
        await renewals(house).renew()
        stopped = await house.service.lease(lease.id)
        assert stopped is not None
        assert (stopped.quota_stop_name, stopped.quota_stop_at) == ("long", house.clock.now + timedelta(hours=2))


async def test_a_limit_that_only_denies_costs_no_renewal_more_when_it_is_used_up(house: House) -> None:
    await house.start(profile="gpu", at="esac")
    house.clock.advance(4 * 3600)
    for _ in range(120):
        house.clock.advance(30)
        await renewals(house).renew()
    assert len(await entries(house)) <= 3


async def test_a_threshold_is_told_at_the_start_that_reaches_it(ledger: str) -> None:
    async with open_house(ledger, policy(gpu_month(2, warn_at=[0.5]))) as house:
        await house.service.ask(request(profile="gpu"))
        assert await notices(house) == ["1 of 2 GPU hours of your limit gpu-month are used or reserved this month."]


async def test_what_a_sweep_closes_while_another_asks_is_counted_once(ledger: str) -> None:
    # an ask whose two readings stand on either side of the closing would find the use in neither
    async with open_house(ledger, policy(gpu_month(1))) as house:
        lease = await house.start(profile="gpu", at="esac")
        house.clock.advance(3500)
        await house.inventory("esac", lease.attempt_id)
        house.clock.advance(60)
        await house.inventory("esac")
        house.clock.advance(5)

        async def ask() -> bool:
            try:
                await house.service.ask(request("ana", profile="gpu"))
            except Refused:
                return False
            return True

        swept, *admitted = await asyncio.gather(house.service.sweep(), *(ask() for _ in range(20)))
        assert [dead.lease.id for dead in swept] == [lease.id]
        assert admitted == [False] * 20


async def test_a_session_on_a_site_that_left_the_file_is_metered_at_its_price_and_can_end(house: House) -> None:
    lease = await house.start(profile="gpu", at="cloud-eu")
    house.platform = policy(gpu_month(3)).model_copy(update={"sites": {"esac": house.platform.sites["esac"]}})
    house.clock.advance(1800)
    assert await renewals(house).renew() == 1
    # its inventories are heard as long as something is on record there
    await house.inventory("cloud-eu", lease.attempt_id)
    house.clock.advance(60)
    await house.inventory("cloud-eu")
    assert [dead.lease.id for dead in await house.service.sweep()] == [lease.id]
    with pytest.raises(Refused, match="There is no site 'cloud-eu'"):
        await house.inventory("cloud-eu")


async def test_money_is_counted_at_the_price_of_the_site(ledger: str) -> None:
    money = {"name": "money", "resource": "credits", "window": "month", "limit": 2.0}
    async with open_house(ledger, policy(money)) as house:
        # a GPU costs 4 an hour in the cloud: there the money would last for half an hour
        placed = await house.service.place("ana", frozenset(), request(profile="gpu"))
        assert (placed.allowed, placed.candidates[0].site, placed.cost_hour) == (True, "esac", pytest.approx(1.12))
        assert placed.lasts_hours == pytest.approx(2 / 1.12, abs=0.01)
        lease = await house.start(profile="gpu", at="cloud-eu")
        assert lease.reserved_until == house.clock.now + timedelta(minutes=30)
        assert await used(house, "money") == (2, 2)
        with pytest.raises(Refused) as refused:
            await house.service.ask(request(profile="gpu"))
        assert refused.value.problem.unit == "EUR"


async def test_a_new_month_begins_with_nothing_used(house: House) -> None:
    lease = await house.start(profile="gpu", at="esac")
    house.clock.advance(3600)
    await house.move(lease.id, "ended")
    assert (await used(house))[0] == 1
    house.clock.advance(31 * 24 * 3600)
    assert await used(house) == (0, 0)


async def test_a_rolling_window_forgets_by_the_second_and_says_when(ledger: str) -> None:
    day = {"name": "gpu-day", "resource": "gpu_hours", "window": "24h", "limit": 1}
    async with open_house(ledger, policy(day)) as house:
        begun = house.clock.now
        lease = await house.start(profile="gpu", at="esac")
        house.clock.advance(3600)
        await house.move(lease.id, "ended")
        house.clock.advance(22 * 3600)
        with pytest.raises(Refused) as refused:
            await house.service.ask(request(profile="gpu"))
        # five minutes of it have to leave the window before five minutes fit
        assert refused.value.problem.frees_at == begun + timedelta(hours=24, minutes=5)
        house.clock.advance(3600 + 1800)
        assert (await used(house, "gpu-day"))[0] == pytest.approx(0.5)
        assert (await house.start(profile="gpu")).reserved_until == house.clock.now + timedelta(minutes=30)


async def test_the_allocation_of_the_group_that_is_picked_pays(ledger: str) -> None:
    year = {"resource": "gpu_hours", "start": date(2026, 1, 1), "end": date(2026, 12, 31)}
    granted = [{"group": "euclid", "amount": 10, **year}, {"group": "xmm", "amount": 1, **year}]
    async with open_house(ledger, policy(allocations=granted)) as house:
        groups = ["euclid", "xmm", "others"]
        with pytest.raises(Refused) as several:
            await house.service.ask(request(groups=groups, profile="gpu"))
        assert (several.value.problem.status, several.value.problem.detail) == (
            422, "charge_to: several of your groups could pay; choose from euclid, xmm.",
        )  # fmt: skip
        for name, detail in (("others", "has no allocation"), ("staff", "You are not in group")):
            with pytest.raises(Refused, match=detail):
                await house.service.ask(request(groups=groups, profile="gpu", charge_to=name))
        await house.start("ana", groups=groups, profile="gpu", charge_to="xmm")
        with pytest.raises(Refused, match="xmm-gpu-hours-20260101 of group xmm"):
            await house.service.ask(request("bob", groups=groups, profile="gpu", charge_to="xmm"))
        # the same user's other group has not paid for it
        assert await used(house, "euclid-gpu-hours-20260101", "ana", *groups) == (0, 0)
        await house.service.ask(request("bob", groups=groups, profile="gpu", charge_to="euclid"))


async def test_a_lease_that_was_metered_beyond_its_end_is_put_right_by_an_entry(house: House) -> None:
    lease = await house.start(profile="gpu", at="esac")
    await house.inventory("esac", lease.attempt_id)
    seen = house.clock.now
    for _ in range(2):
        house.clock.advance(3600)
        await renewals(house).renew()
    await house.inventory("esac")
    house.clock.advance(10)
    await house.inventory("esac")
    assert [dead.lease.id for dead in await house.service.sweep()] == [lease.id]
    assert [(entry, gpu) for _, _, gpu, _, entry in await entries(house)] == [
        ("use", 1.0), ("use", 1.0), ("correction", -1.0),
    ]  # fmt: skip
    assert (await used(house))[0] == pytest.approx(0)
    found = await house.service.lease(lease.id)
    assert found is not None
    assert found.ended == seen


async def test_usage_is_told_by_day_site_and_user_with_what_runs(house: House) -> None:
    usage = UsageService(house.database, lambda: house.platform, house.clock)
    lease = await house.start(profile="gpu", at="esac")
    house.clock.advance(14 * 3600)  # over midnight
    await house.move(lease.id, "ended")
    await house.start("bob", profile="plain", at="cloud-eu")
    house.clock.advance(1800)
    day = house.clock.now.date()
    rows = await usage.rows(day - timedelta(days=7), day, ["day", "user", "site"])
    assert [(row.day, row.user, row.site, row.gpu_hours, row.cpu_hours) for row in rows] == [
        ("2026-03-01", "ana", "esac", 12, 12),
        ("2026-03-02", "ana", "esac", 2, 2),
        ("2026-03-02", "bob", "cloud-eu", 0, 1),
    ]
    [total] = await usage.rows(day, day, [])
    assert (total.gpu_hours, total.session_hours, total.day) == (2, 2.5, None)
    assert await usage.rows(day, day, ["user"], owner="eva") == []


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["start", "end", "renew", "wait"]), st.integers(60, 7200)), max_size=25))
def test_entries_and_days_add_up_to_the_time_that_sessions_ran(steps: list[tuple[str, int]]) -> None:
    from tempfile import TemporaryDirectory

    async def play(directory: Path) -> None:
        async with open_house(directory, policy(gpu_month(10_000))) as house:
            running: dict[str, Any] = {}
            ran_seconds = 0.0
            for what, seconds in steps:
                if what == "start" and len(running) < 4:
                    lease = await house.start(profile="gpu", at="esac")
                    running[lease.id] = house.clock.now
                elif what == "end" and running:
                    lease_id, begun = running.popitem()
                    await house.service.move(lease_id, LeasePatch(state="ended"))
                    ran_seconds += (house.clock.now - begun).total_seconds()
                elif what == "renew":
                    await renewals(house).renew()
                house.clock.advance(seconds)
            for lease_id, begun in running.items():
                await house.service.move(lease_id, LeasePatch(state="ended"))
                ran_seconds += (house.clock.now - begun).total_seconds()
            written = await entries(house)
            summed = sum((ends - begins).total_seconds() for begins, ends, *_ in written)
            assert summed == pytest.approx(ran_seconds)
            async with house.database.read() as connection:
                days = (await connection.execute(select(schema.usage_days.c.gpu_hours))).scalars()
                assert sum(days) == pytest.approx(ran_seconds / 3600)

    with TemporaryDirectory() as directory:
        asyncio.run(play(Path(directory)))
