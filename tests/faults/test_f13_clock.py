"""F13 and item 29: clocks that are an hour wrong, on our hosts, on the hub's and at a site, and daylight saving.

No session ends early or twice, none ends untold, nothing is charged twice, and no allowance is given twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from perijove.models import LeaseState
from perijove_hub.admission.models import Refused
from perijove_hub.ledger import schema
from perijove_hub.policy.models import Platform
from tests.support.platforms import platform, profile, request, site
from tests.support.watch import Watch, open_watch

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
OFF = pytest.mark.parametrize("off", [HOUR, -HOUR], ids=["ahead", "behind"])
#: What a clock that is wrong for an hour or two may cost: it is followed by a minute in an hour.
SLACK = 3 * MINUTE


def policy(**parts: Any) -> Platform:
    return platform(
        **{
            "time_zone": "Europe/Madrid",
            "admission": {"notice": "10m", "sweep_seconds": 60},
            "sites": {"esac": site(gpu=8)},
            "profiles": {
                "timed": profile("Timed", max_hours=2, keeps=0),
                "idle": profile("Idle", idle_minutes=60),
                "gpu": profile("GPU", gpu=1),
            },
            "quotas": [{"name": "gpu-day", "resource": "gpu_hours", "window": "day", "limit": 1}],
            "datasets": {},
            **parts,
        }
    )


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[Watch]:
    async with open_watch(tmp_path, policy()) as opened:
        yield opened


async def minutes_until_the_stop(watch: Watch, most: int = 400) -> int:
    """How many minutes pass, in truth, until the hub is asked to stop something."""
    for minute in range(most):
        if watch.hub.stops:
            return minute
        await watch.after(1)
    raise AssertionError("nothing was ever stopped")


# --- our hosts' clock ---------------------------------------------------------------------------------------------


@OFF
@pytest.mark.parametrize("wrong_for", [20, 60])
async def test_a_clock_that_is_wrong_for_a_while_ends_no_session_early_or_untold(
    watch: Watch, off: timedelta, wrong_for: int
) -> None:
    timed = await watch.start(profile="timed")
    await watch.after(40)
    watch.set_clock(off)
    assert await watch.after(wrong_for) == []
    watch.set_clock(-off)
    ran = 40 + wrong_for + await minutes_until_the_stop(watch)
    assert 2 * HOUR <= timedelta(minutes=ran) <= 2 * HOUR + SLACK
    assert [notice.split()[0] for notice in await watch.notices()] == ["time", "ended"]
    assert (await watch.end(timed)).reason == "its 2 hours are over"


@OFF
async def test_a_clock_that_stays_wrong_ends_no_session_early_and_ends_it_nevertheless(
    watch: Watch, off: timedelta
) -> None:
    await watch.start(profile="timed")
    await watch.after(40)
    watch.set_clock(off)
    ran = timedelta(minutes=40 + await minutes_until_the_stop(watch))
    # what was put down by a clock that was an hour ahead ends an hour later, and nobody can know better
    assert 2 * HOUR - SLACK <= ran <= 3 * HOUR
    assert [notice.split()[0] for notice in await watch.notices()] == ["time", "ended"]


@OFF
async def test_a_session_that_is_used_is_not_idle_by_any_clock(watch: Watch, off: timedelta) -> None:
    lease = await watch.start(profile="idle")
    watch.in_use.add(lease.id)
    for by in (off, -off, off, -off):
        await watch.after(25)
        watch.set_clock(by)
    await watch.after(30)
    assert watch.hub.stops == []
    watch.in_use.clear()
    assert await minutes_until_the_stop(watch) == 60


@OFF
async def test_a_session_that_is_idle_is_told_for_the_whole_notice_when_the_clock_is_set(
    watch: Watch, off: timedelta
) -> None:
    await watch.start(profile="idle")
    await watch.after(30)
    watch.set_clock(off)
    told = 0
    while not await watch.notices():
        await watch.after(1)
        told += 1
    assert timedelta(minutes=30 + told) >= 50 * MINUTE - SLACK
    assert await minutes_until_the_stop(watch) >= 9


async def test_a_controller_that_starts_by_a_wrong_clock_stops_nobody_untold(watch: Watch) -> None:
    await watch.start(profile="timed")
    await watch.after(70)
    watch.set_clock(HOUR)
    watch.restart_controller()
    # told in the first round, and then for the whole notice
    assert await minutes_until_the_stop(watch) == 11
    assert [notice.split()[0] for notice in await watch.notices()] == ["time", "ended"]


# --- the hub's clock, a site's clock ------------------------------------------------------------------------------


@OFF
async def test_a_hub_whose_clock_is_wrong_loses_no_session_and_what_is_gone_is_noticed_when_it_is_right(
    watch: Watch, off: timedelta
) -> None:
    lease = await watch.start(profile="gpu")
    await watch.after(10)
    watch.hub_off = off
    await watch.after(30)
    assert (watch.refused_inventories > 0) is (off > timedelta(0))
    assert (await watch.lease(lease)).state is LeaseState.ACTIVE
    watch.hub_off = timedelta(0)
    await watch.after(4)
    watch.let_pass(10)
    await watch.inventory(lease.attempt_id)
    await watch.round()
    assert (await watch.lease(lease)).state is LeaseState.FAILED


@OFF
async def test_a_site_whose_clock_is_wrong_neither_ends_a_session_early_nor_keeps_it(
    watch: Watch, off: timedelta
) -> None:
    lease = await watch.start(profile="idle")
    watch.site_off = off
    watch.in_use.add(lease.id)
    await watch.after(90)
    assert watch.hub.stops == []
    watch.in_use.clear()
    assert await minutes_until_the_stop(watch) == 60


# --- nothing is charged twice, no allowance is given twice (item 29) ----------------------------------------------


@OFF
async def test_a_clock_that_is_wrong_in_between_changes_nothing_of_what_is_charged(
    watch: Watch, off: timedelta
) -> None:
    watch.house.platform = policy(quotas=[])
    lease = await watch.start(profile="gpu")
    begun = watch.house.clock.now
    await watch.after(70)
    watch.set_clock(off)
    await watch.after(45)
    watch.set_clock(-off)
    await watch.after(95)
    await watch.end(lease)
    entries = await charged(watch)
    assert sum((ends - begins).total_seconds() for begins, ends in entries) == 210 * 60
    assert (entries[0][0], entries[-1][1]) == (begun, watch.house.clock.now)
    assert all(ends == begins for (_, ends), (begins, _) in pairwise(entries))


@pytest.mark.parametrize(
    "midnight",
    [
        datetime(2026, 3, 10, 23, 0, tzinfo=UTC),
        datetime(2026, 3, 28, 23, 0, tzinfo=UTC),  # before a day of 23 hours
        datetime(2026, 3, 29, 22, 0, tzinfo=UTC),  # after it
        datetime(2026, 10, 24, 22, 0, tzinfo=UTC),  # before a day of 25 hours
        datetime(2026, 10, 25, 23, 0, tzinfo=UTC),  # after it
    ],
)
async def test_a_clock_that_goes_back_over_the_edge_of_a_period_gives_no_second_allowance(
    watch: Watch, midnight: datetime
) -> None:
    watch.house.clock.now = midnight - HOUR
    await use_up(watch)
    assert watch.house.clock.now == midnight
    await use_up(watch)  # of the new day
    for back in (HOUR, 2 * HOUR, 3 * HOUR):
        watch.house.clock.now = midnight + HOUR - back
        await no_more(watch)
    watch.house.clock.now = midnight + HOUR
    await no_more(watch)
    # two days, two allowances
    assert sum((ends - begins).total_seconds() for begins, ends in await charged(watch)) == 2 * 3600


async def test_the_hour_that_comes_twice_is_allowed_for_once(watch: Watch) -> None:
    watch.house.clock.now = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)  # 02:00 CEST
    await use_up(watch)
    assert watch.house.clock.now == datetime(2026, 10, 25, 1, 0, tzinfo=UTC)  # 02:00 CET
    await no_more(watch)
    watch.house.clock.now = datetime(2026, 10, 25, 22, 59, tzinfo=UTC)
    await no_more(watch)
    watch.house.clock.now += MINUTE
    await use_up(watch)


async def test_a_rolling_window_gives_nothing_back_when_the_clock_goes_back(tmp_path: Path) -> None:
    rolling = [{"name": "gpu-24h", "resource": "gpu_hours", "window": "24h", "limit": 1}]
    async with open_watch(tmp_path, policy(quotas=rolling)) as watch:
        watch.house.clock.now = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)
        await use_up(watch)
        for by in (-HOUR, -HOUR, HOUR, HOUR, 23 * HOUR, -HOUR):
            watch.set_clock(by)
            await no_more(watch)
        watch.set_clock(2 * HOUR)
        await use_up(watch)


@pytest.mark.parametrize(
    "begins", [datetime(2026, 3, 28, 23, 30, tzinfo=UTC), datetime(2026, 10, 24, 22, 30, tzinfo=UTC)]
)
async def test_two_hours_are_two_hours_when_the_clocks_on_the_wall_change(watch: Watch, begins: datetime) -> None:
    watch.house.clock.now = begins
    watch.restart_controller()
    await watch.start(profile="timed")
    assert await minutes_until_the_stop(watch) == 120


async def use_up(watch: Watch) -> None:
    """Use the hour of a GPU that there is, up to the last minute."""
    lease = await watch.house.start(profile="gpu", at="esac")
    watch.let_pass(3600)
    await watch.end(lease)


async def no_more(watch: Watch) -> None:
    with pytest.raises(Refused, match="GPU hours used"):
        await watch.house.service.ask(request(profile="gpu"))


async def charged(watch: Watch) -> list[tuple[datetime, datetime]]:
    """The intervals that were written down, oldest first; none was taken back."""
    columns = schema.usage_entries.c
    async with watch.house.database.read() as connection:
        rows = await connection.execute(select(columns.begins, columns.ends).order_by(columns.begins))
        corrections = select(func.count()).where(columns.entry == "correction")
        assert (await connection.execute(corrections)).scalar_one() == 0
        return [(begins, ends) for begins, ends in rows]
