"""A session while it runs: its activity, what its owner keeps, what an admin extends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from perijove.models import Activity, ExtendRequest, LeasePatch, Silence
from perijove_hub.admission.desk import Desk
from perijove_hub.admission.life import Bound, Life, hard_bound, kept_lease, used_at
from perijove_hub.admission.models import Refused
from perijove_hub.ledger import said_store, schema, store
from perijove_hub.ledger.models import LeaseRow
from tests.support.leases import active_lease
from tests.support.platforms import House, open_house, platform, profile, request

MINUTE = timedelta(minutes=1)
LIMITS = {
    "standard": profile(max_hours=2, idle_minutes=60, keeps=2),
    "endless": profile("Endless"),
    "short": profile("Short", max_hours=1, keeps=0),
}


@pytest.fixture
async def house(ledger: str) -> AsyncIterator[House]:
    async with open_house(ledger, platform(profiles=LIMITS, quotas=[])) as opened:
        yield opened


def life(house: House) -> Life:
    return Life(house.database, lambda: house.platform, house.clock)


async def refused(call: Any) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value.problem.status, caught.value.problem.detail


async def notices(house: House) -> list[tuple[Any, ...]]:
    columns = schema.notices.c
    async with house.database.read() as connection:
        rows = await connection.execute(select(columns.topic, columns.owner, columns.message).order_by(columns.id))
        return [tuple(row) for row in rows]


async def close(house: House, stops_at: datetime, site: str = "esac") -> None:
    async with house.database.write() as connection:
        await said_store.insert_closure(
            connection,
            site=site,
            starts=house.clock.now,
            stops_at=stops_at,
            reopens=None,
            reason="new disks",
            author="root",
            created=house.clock.now,
        )


async def change(house: House, lease: LeaseRow, **values: Any) -> LeaseRow:
    changed = replace(lease, **values)
    async with house.database.write() as connection:
        await store.update_lease(connection, changed)
    return changed


# --- activity -----------------------------------------------------------------------------------------------------


async def test_activity_puts_off_the_idle_stop(house: House) -> None:
    lease = await house.start(at="esac")
    assert lease.idle_stop_at == house.clock.now + 60 * MINUTE
    house.clock.advance(1800)
    used = house.clock.now - timedelta(seconds=20)
    noted = await life(house).activity(lease.id, "ana", Activity(last_activity=used, busy=False))
    assert noted == replace(lease, last_activity=used)
    assert noted.idle_stop_at == used + 60 * MINUTE
    assert await house.service.lease(lease.id) == noted


async def test_older_activity_is_ignored(house: House) -> None:
    lease = await house.start(at="esac")
    house.clock.advance(600)
    used = house.clock.now
    await life(house).activity(lease.id, "ana", Activity(last_activity=used, busy=False))
    noted = await life(house).activity(lease.id, "ana", Activity(last_activity=used - 5 * MINUTE, busy=False))
    assert noted.last_activity == used


async def test_the_same_moment_that_was_on_its_way_for_longer_is_the_same(house: House) -> None:
    lease = await house.start(at="esac")
    house.clock.advance(60)
    used = house.clock.now
    for late_seconds in (0.0, 0.4, 0.9):
        told = Activity(last_activity=used + timedelta(seconds=late_seconds), busy=False)
        house.clock.advance(60)
        assert (await life(house).activity(lease.id, "ana", told)).last_activity == used


async def test_activity_of_the_future_counts_as_now(house: House) -> None:
    lease = await house.start(at="esac")
    future = Activity(last_activity=house.clock.now + timedelta(days=300), busy=False)
    assert (await life(house).activity(lease.id, "ana", future)).last_activity == house.clock.now


async def test_a_session_that_runs_code_is_in_use_now(house: House) -> None:
    lease = await house.start(at="esac")
    house.clock.advance(3000)
    noted = await life(house).activity(lease.id, "ana", Activity(last_activity=lease.created, busy=True))
    assert (noted.last_activity, noted.busy) == (house.clock.now, True)
    assert noted.said(house.clock.now).idle_stop_at is None
    house.clock.advance(60)
    noted = await life(house).activity(lease.id, "ana", Activity(last_activity=lease.created, busy=False))
    assert noted.idle_stop_at == house.clock.now - MINUTE + 60 * MINUTE


async def test_a_session_that_runs_code_is_as_used_as_its_last_report(house: House) -> None:
    lease = await house.start(at="esac")
    for _ in range(3):
        busy = Activity(last_activity=lease.created, busy=True)
        noted = await life(house).activity(lease.id, "ana", busy)
        said_at = house.clock.now
        assert (noted.last_activity, noted.idle_stop_at) == (said_at, said_at + 60 * MINUTE)
        house.clock.advance(60)
    # it counts as busy for some minutes, and as idle for what is left of its time after that
    assert noted.said(said_at + 4.9 * MINUTE).idle_stop_at is None
    assert noted.said(said_at + 5 * MINUTE).idle_stop_at == said_at + 60 * MINUTE
    assert replace(noted, idle_minutes=1).idle_stop_at == said_at + 5 * MINUTE
    assert replace(noted, idle_minutes=None).idle_stop_at is None


async def test_what_a_wrong_clock_of_ours_noted_does_not_last(house: House) -> None:
    lease = await house.start(at="esac")
    house.clock.advance(3600)
    await life(house).activity(lease.id, "ana", Activity(last_activity=house.clock.now, busy=False))
    house.clock.advance(-3600)
    used = house.clock.now - MINUTE
    noted = await life(house).activity(lease.id, "ana", Activity(last_activity=used, busy=False))
    assert noted.last_activity == used


async def test_activity_is_for_the_owner_of_an_active_lease(house: House) -> None:
    lease = await house.start(at="esac")
    activity = Activity(last_activity=house.clock.now, busy=True)
    nobodys = f"You have no lease {lease.id}."
    assert await refused(life(house).activity(lease.id, "bob", activity)) == (404, nobodys)
    assert await refused(life(house).activity("0" * 32, "ana", activity)) == (404, f"You have no lease {'0' * 32}.")
    await house.move(lease.id, "ended")
    assert await refused(life(house).activity(lease.id, "ana", activity)) == (409, f"Lease {lease.id} is ended.")


@given(st.timedeltas(timedelta(hours=-30), timedelta(hours=30)), st.timedeltas(timedelta(0), timedelta(days=3)))
def test_a_clock_that_is_wrong_at_the_site_does_not_change_how_long_ago_it_was(
    wrong_by: timedelta, ago: timedelta
) -> None:
    now = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    there = now + wrong_by
    assert used_at(Activity(last_activity=there - ago, sent_at=there, busy=False), now) == now - ago


# --- keep ---------------------------------------------------------------------------------------------------------


async def test_keeping_puts_off_both_ends_as_often_as_the_profile_allows(house: House) -> None:
    lease = await house.start(at="esac")
    house.clock.advance(55 * 60)
    now = house.clock.now
    kept = await life(house).keep(lease.id, "ana", 30)
    assert kept == replace(lease, kept_until=now + 30 * MINUTE, ends_at=lease.created + 150 * MINUTE, keeps_left=1)
    assert await house.service.lease(lease.id) == kept
    kept = await life(house).keep(lease.id, "ana", 10)
    assert (kept.ends_at, kept.keeps_left) == (lease.created + 160 * MINUTE, 0)
    assert kept.kept_until == now + 30 * MINUTE, "a shorter wish takes nothing away"
    house.clock.advance(600)
    kept = await life(house).keep(lease.id, "ana", 30)
    assert (kept.kept_until, kept.ends_at, kept.keeps_left) == (
        house.clock.now + 30 * MINUTE, lease.created + 160 * MINUTE, 0,
    )  # fmt: skip


async def test_an_end_that_was_put_off_often_enough_stays(house: House) -> None:
    lease = await house.start(at="esac", profile="short", name="large")
    house.clock.advance(50 * 60)
    assert await refused(life(house).keep(lease.id, "ana", 30)) == (
        409,
        "Your server large is stopped at 1 March 2026, 13:00 UTC, when its time is over, and that cannot be put off "
        "again. Save your work and start a new one, or ask an admin for an extension.",
    )
    assert await house.service.lease(lease.id) == lease


async def test_what_an_admin_or_a_limit_has_set_is_not_put_off(house: House) -> None:
    lease = await house.start(at="esac")
    now = house.clock.now
    await close(house, now + 20 * MINUTE)
    # it lasts to the closure anyway
    assert await refused(life(house).keep(lease.id, "ana", 30)) == (
        409,
        "Your server is stopped at 1 March 2026, 12:20 UTC, since ESAC closes: new disks. That cannot be put off: "
        "save your work.",
    )
    assert (await life(house).keep(lease.id, "ana", 15)).kept_until == now + 15 * MINUTE
    await change(house, lease, quota_stop_at=now + 5 * MINUTE, quota_stop_name="gpu-month")
    assert "since limit gpu-month is used up" in (await refused(life(house).keep(lease.id, "ana", 15)))[1]
    await change(house, lease, allowed_stop_at=now + 5 * MINUTE)
    assert "no longer in the group" in (await refused(life(house).keep(lease.id, "ana", 15)))[1]


async def test_a_closure_of_another_site_is_no_bound(house: House) -> None:
    lease = await house.start(at="esac")
    await close(house, house.clock.now + 20 * MINUTE, "cloud-eu")
    assert (await life(house).keep(lease.id, "ana", 30)).keeps_left == 1


async def test_a_session_that_nothing_stops_is_kept_without_ado(house: House) -> None:
    lease = await house.start(at="esac", profile="endless")
    kept = await life(house).keep(lease.id, "ana", 30)
    assert (kept.ends_at, kept.keeps_left) == (None, 2)


async def test_a_lease_that_is_over_or_being_stopped_is_not_kept(house: House) -> None:
    lease = await house.start(at="esac")
    assert (await refused(life(house).keep(lease.id, "bob", 30)))[0] == 404
    await change(house, lease, reason="idle for 60 minutes")
    stopped = "Your server is being stopped: idle for 60 minutes."
    assert await refused(life(house).keep(lease.id, "ana", 30)) == (409, stopped)
    await house.move(lease.id, "ended")
    assert await refused(life(house).keep(lease.id, "ana", 30)) == (409, f"Lease {lease.id} is ended.")
    offer = await house.service.ask(request(name="second"))
    assert "is offered; its session has not begun" in (await refused(life(house).keep(offer.id, "ana", 30)))[1]


moments = st.none() | st.timedeltas(timedelta(0), timedelta(hours=3))


@given(ends=moments, idle=moments, bound=moments, keeps=st.integers(0, 3), minutes=st.integers(1, 30))
def test_keeping_never_shortens_never_passes_a_bound_and_is_granted_only_if_it_helps(
    ends: timedelta | None, idle: timedelta | None, bound: timedelta | None, keeps: int, minutes: int
) -> None:
    now, length = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), timedelta(minutes=minutes)
    lease = active_lease(
        since=now,
        ends_at=None if ends is None else now + ends,
        idle_minutes=None if idle is None else 60,
        last_activity=None if idle is None else now + idle - timedelta(minutes=60),
        keeps_left=keeps,
    )
    hard = None if bound is None else Bound(now + bound, "…")
    kept = kept_lease(lease, hard, now, length)
    first = min(
        [m for m in (lease.ends_at, lease.idle_stop_at, hard.at if hard else None) if m is not None], default=None
    )
    if kept is None:
        assert first is not None
        assert first < now + length
        return
    after = min(
        [m for m in (kept.ends_at, kept.idle_stop_at, hard.at if hard else None) if m is not None], default=None
    )
    assert kept.keeps_left in (keeps, keeps - 1)
    if first is not None:
        assert after is not None
        assert after >= first
    if lease.ends_at is not None and kept.ends_at is not None:
        assert lease.ends_at <= kept.ends_at <= max(lease.ends_at, now) + length
        assert (kept.ends_at > lease.ends_at) == (kept.keeps_left < keeps)
        if hard is not None:
            assert kept.ends_at <= max(lease.ends_at, hard.at)


async def test_the_first_bound_counts(house: House) -> None:
    lease = await house.start(at="esac")
    now = house.clock.now
    assert hard_bound(lease, [], house.platform) is None
    lease = replace(lease, quota_stop_at=now + 9 * MINUTE, quota_stop_name="gpu", allowed_stop_at=now + 5 * MINUTE)
    assert hard_bound(lease, [], house.platform) == Bound(
        now + 5 * MINUTE, "at 1 March 2026, 12:05 UTC, since you are no longer in the group that it needs"
    )


# --- silence ------------------------------------------------------------------------------------------------------


async def test_the_owner_is_told_once_that_a_machine_is_silent_and_that_it_is_heard_of_again(house: House) -> None:
    lease = await house.start(at="esac")
    since = house.clock.now
    house.clock.now += MINUTE

    for _ in range(2):  # as after an answer that was lost
        assert await life(house).tell_silence(lease.id, Silence(since=since)) == lease

    silent, again = (
        "The machine at ESAC that your server runs on has not answered since 1 March 2026, 12:00 UTC. If it comes "
        "back soon, everything goes on; if not, the site gives the session up, and charges it until "
        "1 March 2026, 12:00 UTC or little more.",
        "The machine at ESAC that your server runs on answers again: it went on meanwhile.",
    )
    assert await notices(house) == [("silence", "ana", silent)]
    await life(house).tell_silence(lease.id, Silence(since=since, is_over=True))
    assert await notices(house) == [("silence", "ana", silent), ("silence", "ana", again)]
    desk = Desk(house.database, lambda: house.platform, house.clock)
    assert [each.message for each in await desk.notices("ana", frozenset())] == [again]


async def test_nothing_is_said_any_more_of_the_machine_of_a_session_that_is_over(house: House) -> None:
    lease = await house.start(at="esac")
    await life(house).tell_silence(lease.id, Silence(since=house.clock.now))
    await house.service.move(lease.id, LeasePatch(state="ended"))
    desk = Desk(house.database, lambda: house.platform, house.clock)
    assert await desk.notices("ana", frozenset()) == []


async def test_of_a_session_that_is_over_nobody_is_told_that_its_machine_is_silent(house: House) -> None:
    lease = await house.start(at="esac")
    await house.service.move(lease.id, LeasePatch(state="ended"))
    status, detail = await refused(life(house).tell_silence(lease.id, Silence(since=house.clock.now)))
    assert (status, detail) == (409, f"Lease {lease.id} is ended.")
    assert await notices(house) == []


# --- extend -------------------------------------------------------------------------------------------------------


async def test_an_admin_extends_and_the_owner_is_told_who_and_why(house: House) -> None:
    lease = await house.start(at="esac")
    extended = await life(house).extend(lease.id, "root", ExtendRequest(minutes=90, reason="the paper is due"))
    assert extended == replace(lease, ends_at=lease.created + 210 * MINUTE)
    assert await house.service.lease(lease.id) == extended
    assert await notices(house) == [
        ("time", "ana", "root has put off the end of your server to 1 March 2026, 15:30 UTC: the paper is due")
    ]


async def test_an_end_that_has_passed_is_extended_from_now_on(house: House) -> None:
    lease = await house.start(at="esac")
    house.clock.advance(3 * 3600)
    extended = await life(house).extend(lease.id, "root", ExtendRequest(minutes=10, reason="late"))
    assert extended.ends_at == house.clock.now + 10 * MINUTE


async def test_what_has_no_end_or_is_over_is_not_extended(house: House) -> None:
    wish = ExtendRequest(minutes=10, reason="because")
    lease = await house.start(at="esac", profile="endless")
    assert await refused(life(house).extend(lease.id, "root", wish)) == (
        409,
        f"The time of lease {lease.id} has no end.",
    )
    await house.move(lease.id, "ended")
    assert await refused(life(house).extend(lease.id, "root", wish)) == (409, f"Lease {lease.id} is ended.")
    assert await refused(life(house).extend("0" * 32, "root", wish)) == (404, f"There is no lease {'0' * 32}.")
    assert await notices(house) == []


# --- stop ---------------------------------------------------------------------------------------------------------


async def test_what_an_owner_or_an_admin_stops_says_who_and_why(house: House) -> None:
    own, others = await house.start(at="esac"), await house.start(at="esac", name="two")
    assert (await life(house).stop(own.id, "ana", None, of_anybody=False)).reason == "its owner has stopped it"
    stopped = await life(house).stop(others.id, "root", "it holds all GPUs", of_anybody=True)
    assert stopped == replace(others, reason="root has stopped it: it holds all GPUs")
    assert await house.service.lease(others.id) == stopped
    # an answer may be lost
    assert await life(house).stop(others.id, "root", "it holds all GPUs", of_anybody=True) == stopped


async def test_what_is_not_ones_own_or_not_running_is_not_stopped(house: House) -> None:
    lease = await house.start(at="esac")
    assert await refused(life(house).stop(lease.id, "bob", None, of_anybody=False)) == (
        404,
        f"You have no lease {lease.id}.",
    )
    assert await refused(life(house).stop(lease.id, "root", None, of_anybody=True)) == (
        422,
        "reason: tell ana, whose work ends, why.",
    )
    await life(house).stop(lease.id, "ana", None, of_anybody=False)
    assert await refused(life(house).stop(lease.id, "root", "it is late", of_anybody=True)) == (
        409,
        "Your server is being stopped: its owner has stopped it.",
    )
    await house.move(lease.id, "ended")
    assert await refused(life(house).stop(lease.id, "root", "it is late", of_anybody=True)) == (
        409,
        f"Lease {lease.id} is ended.",
    )
