"""Warnings and stops on a real ledger, with only the hub a stand-in."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from perijove.models import Activity, LeaseState, Topic
from perijove_hub import metrics
from perijove_hub.admission.desk import Desk
from perijove_hub.controller.decide import decide
from perijove_hub.ledger import schema
from tests.support.platforms import platform, profile, site
from tests.support.watch import Watch, open_watch

MINUTE = timedelta(minutes=1)
POLICY = platform(
    admission={"notice": "10m", "allowed_grace": "15m", "sweep_seconds": 30},
    sites={"esac": site(gpu=4, cpu=64), "cloud-eu": site("Cloud EU", "eu-de-1")},
    profiles={
        "standard": profile(max_hours=2, idle_minutes=60, keeps=1),
        "gpu": profile("GPU", gpu=1),
        "plain": profile("Plain"),
    },
    quotas=[
        {
            "name": "monthly-gpu", "resource": "gpu_hours", "window": "month", "limit": 1, "on_exhaustion": "stop",
            "grace": "15m", "warn_at": [],
        },
        {
            "name": "group-sessions", "resource": "sessions", "limit": 9999, "per": "group",
            "applies_to": {"groups": ["euclid"]},
        },
    ],
    datasets={},
)  # fmt: skip


#: What a test holds that must hold on both databases.
BOTH = pytest.mark.usefixtures("ledger")


@pytest.fixture
async def watch(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Watch]:
    both = "ledger" in request.fixturenames
    async with open_watch(request.getfixturevalue("ledger") if both else tmp_path, POLICY) as opened:
        yield opened


def stops_counted(topic: str) -> float:
    return metrics.REGISTRY.get_sample_value("perijove_stops_total", {"topic": topic}) or 0.0


@BOTH
async def test_an_idle_session_is_warned_stopped_and_says_why(watch: Watch) -> None:
    lease = await watch.start(name="big")
    assert await watch.after(49) == []
    [warning] = await watch.after(10)
    assert warning.startswith("idle 13:00 Your server big has not been used since 1 March 2026, 12:00 UTC")
    assert watch.hub.stops == []
    assert await watch.after(1) == ["ended 01:00 Your server big was stopped: idle for 60 minutes."]
    assert watch.hub.stops == [("ana", "big")]
    assert (await watch.lease(lease)).reason == "idle for 60 minutes"
    ended = await watch.end(lease)
    assert (ended.state, ended.reason) == (LeaseState.ENDED, "idle for 60 minutes")
    assert await watch.after(5) == []
    assert watch.hub.stops == [("ana", "big")]


async def test_a_session_that_is_used_again_is_not_stopped(watch: Watch) -> None:
    lease = await watch.start()
    await watch.after(55)
    await watch.life.activity(lease.id, "ana", Activity(last_activity=watch.house.clock.now, busy=False))
    assert await watch.after(45) == []
    assert watch.hub.stops == []


async def test_a_session_that_was_busy_and_has_fallen_silent_is_idle_in_the_end(watch: Watch) -> None:
    lease = await watch.start(profile="standard")
    await watch.after(30)
    busy = Activity(last_activity=watch.house.clock.now, busy=True)
    await watch.life.activity(lease.id, "ana", busy)
    assert await watch.after(49) == []
    [warning] = await watch.after(10)
    assert warning.startswith("idle 13:30 Your server has not been used since 1 March 2026, 12:30 UTC")
    await watch.after(1)
    assert watch.hub.stops == [("ana", "")]


async def test_a_session_that_is_kept_lives_on_and_is_warned_again(watch: Watch) -> None:
    lease = await watch.start()
    await watch.after(55)
    kept = await watch.life.keep(lease.id, "ana", 30)
    assert kept.idle_stop_at == watch.house.clock.now + 30 * MINUTE
    [again] = await watch.after(25)
    assert again.startswith("idle 13:25")
    await watch.after(5)
    assert watch.hub.stops == [("ana", "")]


async def test_the_end_of_the_time_comes_whatever_runs(watch: Watch) -> None:
    lease = await watch.start()
    for _ in range(11):
        await watch.after(10)
        await watch.life.activity(lease.id, "ana", Activity(last_activity=watch.house.clock.now, busy=True))
    assert await watch.notices() == [
        "time 14:00 The 2 hours of your server are nearly over: it is stopped at 1 March 2026, 14:00 UTC. Save your "
        "work, or keep it for 30 minutes more."
    ]
    assert await watch.after(10) == ["ended 02:00 Your server was stopped: its 2 hours are over."]
    assert (await watch.end(lease)).reason == "its 2 hours are over"


@BOTH
async def test_an_end_that_is_kept_is_put_off_once_and_the_old_warning_taken_back(watch: Watch) -> None:
    lease = await watch.start(profile="standard")
    for _ in range(11):
        await watch.after(10)
        await watch.life.activity(lease.id, "ana", Activity(last_activity=watch.house.clock.now, busy=True))
    await watch.life.keep(lease.id, "ana", 30)
    async with watch.house.database.read() as connection:
        assert (await connection.execute(select(schema.notices.c.withdrawn))).scalar_one() == watch.house.clock.now
    [again] = await watch.after(31)
    assert again == (
        "time 14:30 The 2 hours 30 minutes of your server are nearly over: it is stopped at 1 March 2026, 14:30 UTC. "
        "Save your work. This cannot be put off any more; an admin can grant an extension."
    )


async def test_a_limit_that_is_used_up_stops_after_its_grace(watch: Watch) -> None:
    lease = await watch.start(profile="gpu")
    # less of it is left than a slice has at least
    [told] = await watch.after(57)
    assert told.startswith("quota 13:12 Limit monthly-gpu is used up. Your server is stopped at 1 March 2026, 13:12")
    assert await watch.after(14) == []
    assert watch.hub.stops == []
    assert await watch.after(1) == ["ended 01:12 Your server was stopped: limit monthly-gpu used up."]
    assert (await watch.end(lease)).reason == "limit monthly-gpu used up"


@BOTH
async def test_a_drain_stops_what_runs_there_and_nothing_else(watch: Watch) -> None:
    here, elsewhere = await watch.start(profile="plain"), await watch.house.start("bob", "cloud-eu", profile="plain")
    await watch.close_site(watch.house.clock.now + 60 * MINUTE)
    [early] = await watch.after(1)
    assert early.startswith("closure 13:00 ESAC is drained: new disks. Your server there is stopped at 1 March 2026")
    await watch.after(58)
    assert len(await watch.notices()) == 2
    await watch.after(1)
    assert watch.hub.stops == [("ana", "")]
    assert (await watch.end(here)).reason == "ESAC is drained: new disks"
    assert (await watch.lease(elsewhere)).reason is None


@BOTH
async def test_a_drain_that_is_withdrawn_stops_nobody_and_is_said_no_more(watch: Watch) -> None:
    house, stops_at = watch.house, watch.house.clock.now + 20 * MINUTE
    desk = Desk(house.database, lambda: house.platform, house.clock)
    await watch.start(profile="plain")
    number = await watch.close_site(stops_at)
    [_, told] = await watch.after(15)
    assert [notice.topic for notice in await desk.notices("ana", frozenset())] == [Topic.CLOSURE] * 2
    await desk.withdraw_closure(number, "root")
    assert await desk.notices("ana", frozenset()) == []
    # said again for the same moment, it is told again
    number = await watch.close_site(stops_at)
    assert await watch.after(1) == [told]
    await desk.withdraw_closure(number, "root")
    assert await watch.after(30) == []
    assert watch.hub.stops == []


@BOTH
async def test_a_drain_that_is_withdrawn_takes_back_nothing_of_another(watch: Watch) -> None:
    house, now = watch.house, watch.house.clock.now
    desk = Desk(house.database, lambda: house.platform, house.clock)
    await watch.start(profile="plain")
    await watch.close_site(now + 40 * MINUTE)
    await watch.after(1)
    sooner = await watch.close_site(now + 20 * MINUTE)
    await watch.after(1)
    assert len(await desk.notices("ana", frozenset())) == 2
    await desk.withdraw_closure(sooner, "root")
    [left] = await desk.notices("ana", frozenset())
    assert left.expires == now + 40 * MINUTE


@BOTH
async def test_a_lost_group_is_told_within_one_sweep_and_ends_after_the_grace(watch: Watch) -> None:
    lease = await watch.start("ana", "euclid", profile="plain")
    assert lease.charge_to == "euclid"
    assert await watch.after(5) == []
    watch.set_groups("ana")
    [told] = await watch.after(0.5)
    assert told.startswith("allowed 12:20 You are no longer in group euclid, which your server is charged to")
    stop_at = (await watch.lease(lease)).said(watch.house.clock.now).allowed_stop_at
    assert stop_at == watch.house.clock.now + 15 * MINUTE
    assert await watch.after(14.5) == []
    assert watch.hub.stops == []
    assert await watch.after(0.5) == ["ended 00:20 Your server was stopped: ana is no longer in group euclid."]


async def test_a_group_on_whose_account_nothing_is_counted_stops_nobody(watch: Watch) -> None:
    lease = await watch.start("ana", "intranet", profile="plain")
    assert lease.charge_to == "intranet"
    watch.set_groups("ana", "staff")
    assert await watch.after(20) == []
    assert (watch.hub.stops, watch.hub.asked) == ([], [])


@BOTH
async def test_a_group_that_is_regained_takes_the_stop_away(watch: Watch) -> None:
    lease = await watch.start("ana", "euclid", profile="plain")
    watch.set_groups("ana")
    await watch.after(5)
    watch.set_groups("ana", "euclid")
    await watch.after(0.5)
    assert (await watch.lease(lease)).allowed_stop_at is None
    watch.set_groups("ana")
    await watch.after(14)
    assert watch.hub.stops == []


@pytest.mark.parametrize("fault", [503, "drop", "slow", "html"])
async def test_a_hub_that_does_not_answer_takes_no_group_away(watch: Watch, fault: Any) -> None:
    lease = await watch.start("ana", "euclid", profile="plain")
    watch.set_groups("ana")
    watch.hub.fault = fault
    assert await watch.after(1) == []
    assert (await watch.lease(lease)).allowed_stop_at is None


@pytest.mark.parametrize("fault", [503, 500])
async def test_a_stop_that_the_hub_has_not_taken_is_decided_again(watch: Watch, fault: Any) -> None:
    lease = await watch.start()
    await watch.after(59)
    watch.hub.fault = fault
    assert await watch.after(1) == []
    assert (await watch.lease(lease)).reason is None
    # its owner is there again, and the stop is off
    await watch.life.activity(lease.id, "ana", Activity(last_activity=watch.house.clock.now, busy=False))
    watch.hub.fault = None
    assert await watch.after(40) == []
    assert watch.hub.stops == []


@BOTH
async def test_a_stop_whose_answer_was_lost_is_asked_for_again_until_the_lease_is_over(watch: Watch) -> None:
    lease = await watch.start()
    await watch.after(59)
    watch.hub.fault = "drop"
    assert await watch.after(1) == []
    assert (await watch.lease(lease)).reason == "idle for 60 minutes"
    watch.hub.fault = None
    watch.hub.stop_answers["ana"] = 202
    counted = stops_counted("idle")
    # told once, when the hub has confirmed it
    assert await watch.after(2) == ["ended 01:01 Your server was stopped: idle for 60 minutes."]
    assert stops_counted("idle") == counted + 1
    assert watch.hub.stops == [("ana", "")] * 3
    await watch.end(lease)
    assert await watch.after(1) == []
    assert watch.hub.stops == [("ana", "")] * 3


async def test_a_stop_whose_answer_was_lost_is_told_also_when_the_session_is_gone_before_the_next_round(
    watch: Watch,
) -> None:
    lease = await watch.start()
    await watch.after(59)
    watch.hub.fault = "drop"
    assert await watch.after(1) == []
    watch.hub.fault = None
    await watch.end(lease)
    assert await watch.after(3) == ["ended 01:01 Your server was stopped: idle for 60 minutes."]


async def test_a_stop_whose_answer_was_lost_is_told_by_the_next_controller(watch: Watch) -> None:
    await watch.start()
    await watch.after(59)
    watch.hub.fault = "drop"
    assert await watch.after(1) == []
    watch.hub.fault = None
    watch.restart_controller()
    assert await watch.after(3) == ["ended 01:01 Your server was stopped: idle for 60 minutes."]


async def test_a_server_that_the_hub_does_not_know_is_left_to_the_inventory(watch: Watch) -> None:
    lease = await watch.start()
    await watch.after(59)
    watch.hub.stop_answers["ana"] = 404
    assert await watch.after(1) == []
    watch.let_pass(60)
    await watch.house.inventory("esac")
    [dead] = await watch.house.service.sweep()
    assert dead.lease.id == lease.id
    ended = await watch.lease(lease)
    assert (ended.state, ended.reason) == (LeaseState.ENDED, "idle for 60 minutes")


@BOTH
async def test_a_session_that_is_kept_at_the_last_moment_is_not_stopped(watch: Watch) -> None:
    lease = await watch.start()
    await watch.after(59.5)
    watch.let_pass(30)
    look, dues, announced = await watch.stops._look()
    await watch.life.keep(lease.id, "ana", 30)
    [stop] = decide(look, dues, announced).stops
    assert stop.topic is Topic.IDLE
    await watch.stops._stop([stop], look.now)
    assert watch.hub.stops == []
    assert (await watch.lease(lease)).reason is None


async def test_one_server_that_is_not_stopped_keeps_none_of_the_others(watch: Watch) -> None:
    leases = [await watch.start(f"user-{number}") for number in range(12)]
    watch.hub.stop_answers["user-3"] = 500
    await watch.after(60)
    reasons = [(await watch.lease(lease)).reason for lease in leases]
    assert reasons.count("idle for 60 minutes") == 11
    assert reasons[3] is None
    assert len(watch.hub.stops) == 12


async def test_a_controller_that_was_away_warns_before_it_stops(watch: Watch) -> None:
    await watch.start()
    watch.let_pass(8 * 3600)
    [first, second] = await watch.after(0.5)
    assert first.startswith("time 20:10")
    assert second.startswith("idle 20:10")
    assert watch.hub.stops == []
    await watch.after(10)
    assert watch.hub.stops == [("ana", "")]


async def test_a_session_of_which_nobody_could_hear_is_not_idle(watch: Watch) -> None:
    await watch.start()
    for _ in range(200):
        watch.let_pass(30)
        await watch.stops.carry_out()
    assert [notice.split()[0] for notice in await watch.notices()] == []
    assert watch.hub.stops == []


async def test_two_thousand_sessions_are_looked_at_in_well_under_a_second(watch: Watch) -> None:
    await watch.start("ana", "euclid", profile="plain")
    async with watch.house.database.write() as connection:
        [row] = (await connection.execute(select(schema.leases))).mappings()
        ids = [f"{number:032x}" for number in range(2000)]
        copies = [{**row, "id": ident, "attempt_id": ident, "owner": f"user-{ident}"} for ident in ids]
        await connection.execute(schema.leases.insert(), copies)
    for copy in copies:
        watch.hub.add(copy["owner"], "euclid")
        watch.hub.servers.add((copy["owner"], ""))
    begun = time.process_time()  # of this process alone, whatever else the machine does
    await watch.stops.carry_out()
    assert time.process_time() - begun < 1
    assert watch.hub.asked == ["/hub/api/users"] * 11
