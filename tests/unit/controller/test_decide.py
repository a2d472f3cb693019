"""What is announced and stopped, and when, as plain rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perijove.models import Closure, Kind, LeaseState, Topic
from perijove_hub.controller.decide import Decision, Look, Stop, decide, needs_groups, pressing, stoppable
from perijove_hub.controller.due import spoken_length
from perijove_hub.ledger.life_store import Announcement
from perijove_hub.ledger.models import LeaseRow
from tests.support.leases import NOON, active_lease
from tests.support.platforms import platform, profile, site

MINUTE = timedelta(minutes=1)
ALL_SITES = frozenset({"esac", "cloud-eu"})
POLICY = platform(
    time_zone="Europe/Madrid",
    admission={"notice": "10m", "allowed_grace": "15m", "sweep_seconds": 30},
    sites={"esac": site(), "cloud-eu": site("Cloud EU", "eu-de-1"), "lab": site("The lab", groups=["astro"])},
    profiles={"standard": profile(), "large": profile("Large", groups=["astro"])},
    quotas=[
        {"name": f"{per}-sessions", "resource": "sessions", "limit": 99, "per": per, "applies_to": {"groups": [group]}}
        for per, group in (("group", "euclid"), ("class", "class:physics"))
    ],
    datasets={},
)


def look(*leases: LeaseRow, now: datetime = NOON, **more: Any) -> Look:
    return Look(**{"now": now, "platform": POLICY, "leases": leases, "heard": ALL_SITES, **more})


def decided(seen: Look, *announced: Announcement) -> Decision:
    return decide(seen, pressing(seen), announced)


def told(decision: Decision) -> list[tuple[str, str]]:
    return [(notice.topic.value, notice.message) for notice in decision.notices]


def stopped(decision: Decision) -> list[str]:
    return [stop.reason for stop in decision.stops]


def as_announced(decision: Decision, now: datetime) -> list[Announcement]:
    """What the ledger keeps of the notices of a decision."""
    kept = []
    for notice in decision.notices:
        assert notice.lease_id is not None
        assert notice.expires is not None
        is_final = notice.severity != "info"
        kept.append(Announcement(notice.lease_id, notice.topic, notice.expires, now, is_final))
    return kept


def closure(**values: Any) -> Closure:
    said = {
        "id": 1, "site": "esac", "starts": NOON, "stops_at": NOON + 60 * MINUTE, "reopens": None,
        "reason": "new disks.", "author": "root", "created": NOON, "withdrawn": None, "withdrawn_by": None,
    }  # fmt: skip
    return Closure.model_validate(said | values)


# --- the end of the time ------------------------------------------------------------------------------------------


def test_the_end_of_the_time_is_announced_before_and_then_carried_out() -> None:
    lease = active_lease(ends_at=NOON + timedelta(hours=12), keeps_left=1)
    before = NOON + timedelta(hours=11, minutes=49)
    assert decided(look(lease, now=before)) == Decision()

    announce = decided(look(lease, now=before + MINUTE))
    assert told(announce) == [
        (
            "time",
            "The 12 hours of your server are nearly over: it is stopped at 2 March 2026, 01:00 CET. Save your work, or "
            "keep it for 30 minutes more.",
        )
    ]
    [notice] = announce.notices
    assert (notice.key, notice.owner, notice.keep_minutes, notice.severity, notice.expires) == (
        f"time:{lease.id}:2026-03-02T00:00:00+00:00", "ana", 30, "warning", lease.ends_at,
    )  # fmt: skip
    kept = as_announced(announce, before + MINUTE)
    assert decided(look(lease, now=before + 2 * MINUTE), *kept) == Decision()
    assert decided(look(lease, now=NOON + timedelta(hours=12) - timedelta(microseconds=1)), *kept) == Decision()
    ended = decided(look(lease, now=NOON + timedelta(hours=12)), *kept)
    assert ended == Decision(stops=(Stop(lease, Topic.TIME, "its 12 hours are over"),))


def test_an_end_that_cannot_be_put_off_is_told_so() -> None:
    lease = active_lease(ends_at=NOON + timedelta(hours=1), keeps_left=0, name="big")
    announce = decided(look(lease, now=NOON + 55 * MINUTE))
    assert told(announce)[0][1] == (
        "The 1 hour of your server big is nearly over: it is stopped at 1 March 2026, 14:05 CET. Save your work. This "
        "cannot be put off any more; an admin can grant an extension."
    )
    assert announce.notices[0].keep_minutes is None


def test_an_end_that_was_put_off_is_announced_anew() -> None:
    lease = active_lease(ends_at=NOON + 60 * MINUTE)
    kept = as_announced(decided(look(lease, now=NOON + 50 * MINUTE)), NOON + 50 * MINUTE)
    put_off = replace(lease, ends_at=NOON + 90 * MINUTE)
    assert decided(look(put_off, now=NOON + 60 * MINUTE), *kept) == Decision()
    assert "14:30 CET" in told(decided(look(put_off, now=NOON + 80 * MINUTE), *kept))[0][1]


def test_a_session_that_is_shorter_than_the_notice_is_told_at_its_half() -> None:
    lease = active_lease(ends_at=NOON + 6 * MINUTE)
    assert decided(look(lease, now=NOON + 2 * MINUTE)) == Decision()
    announce = decided(look(lease, now=NOON + 3 * MINUTE))
    assert announce.notices[0].expires == lease.ends_at


def test_a_stop_that_was_never_announced_waits_for_the_whole_notice() -> None:
    lease = active_lease(ends_at=NOON + 60 * MINUTE)
    back = NOON + 180 * MINUTE  # the controller was away
    announce = decided(look(lease, now=back))
    assert (stopped(announce), announce.notices[0].expires) == ([], back + 10 * MINUTE)
    kept = as_announced(announce, back)
    assert decided(look(lease, now=back + 9 * MINUTE), *kept) == Decision()
    assert stopped(decided(look(lease, now=back + 10 * MINUTE), *kept)) == ["its 1 hour is over"]


def test_a_stop_that_was_announced_long_ago_is_announced_again() -> None:
    lease = active_lease(ends_at=NOON + 60 * MINUTE)
    kept = as_announced(decided(look(lease, now=NOON + 50 * MINUTE)), NOON + 50 * MINUTE)
    assert stopped(decided(look(lease, now=NOON + timedelta(minutes=61, seconds=30)), *kept)) == ["its 1 hour is over"]
    again = decided(look(lease, now=NOON + 62 * MINUTE), *kept)
    assert (stopped(again), again.notices[0].expires) == ([], NOON + 72 * MINUTE)
    kept += as_announced(again, NOON + 62 * MINUTE)
    assert stopped(decided(look(lease, now=NOON + 72 * MINUTE), *kept)) == ["its 1 hour is over"]


# --- idleness -----------------------------------------------------------------------------------------------------


def test_an_idle_session_is_told_since_when_and_then_stopped() -> None:
    lease = active_lease(idle_minutes=60.0, last_activity=NOON + 5 * MINUTE)
    announce = decided(look(lease, now=NOON + 55 * MINUTE))
    assert told(announce) == [
        (
            "idle",
            "Your server has not been used since 1 March 2026, 13:05 CET and nothing runs in it: unless that changes, "
            "it is stopped at 1 March 2026, 14:05 CET. Keep it for 30 minutes more if you need it.",
        )
    ]
    assert announce.notices[0].keep_minutes == 30
    kept = as_announced(announce, NOON + 55 * MINUTE)
    assert stopped(decided(look(lease, now=NOON + 65 * MINUTE), *kept)) == ["idle for 60 minutes"]


@pytest.mark.parametrize(
    "more",
    [
        {"busy": True, "last_activity": NOON + 64 * MINUTE},
        {"last_activity": NOON + 64 * MINUTE},
        {"kept_until": NOON + 90 * MINUTE},
        {"idle_minutes": None},
    ],
)
def test_a_session_that_is_used_busy_kept_or_never_idle_goes_on(more: dict[str, Any]) -> None:
    lease = active_lease(**{"idle_minutes": 60.0, "last_activity": NOON + 5 * MINUTE})
    kept = as_announced(decided(look(lease, now=NOON + 55 * MINUTE)), NOON + 55 * MINUTE)
    assert decided(look(replace(lease, **more), now=NOON + 65 * MINUTE), *kept) == Decision()


def test_silence_proves_nothing_where_nobody_could_be_heard() -> None:
    lease = active_lease(idle_minutes=60.0)
    kept = as_announced(decided(look(lease, now=NOON + 50 * MINUTE)), NOON + 50 * MINUTE)
    assert decided(look(lease, now=NOON + 60 * MINUTE, heard={"cloud-eu"}), *kept) == Decision()
    # an hour later all are back: the owner had no way to say anything, and is told again
    again = decided(look(lease, now=NOON + 120 * MINUTE), *kept)
    assert (stopped(again), again.notices[0].expires) == ([], NOON + 130 * MINUTE)


# --- limits, closures, groups -------------------------------------------------------------------------------------


def test_a_limit_that_is_used_up_stops_when_its_grace_is_over() -> None:
    lease = active_lease(quota_stop_at=NOON + 15 * MINUTE, quota_stop_name="monthly-gpu")
    assert decided(look(lease, now=NOON + 14 * MINUTE)) == Decision()
    # its renewal has told the owner, and an hour more is no gift
    for late in (15, 75):
        ended = decided(look(lease, now=NOON + late * MINUTE))
        assert ended == Decision(stops=(Stop(lease, Topic.QUOTA, "limit monthly-gpu used up"),))


def test_a_closure_is_told_at_once_and_again_before_it_stops() -> None:
    lease, drained = active_lease(), [closure()]
    early = decided(look(lease, now=NOON + MINUTE, closures=drained))
    message = (
        "ESAC is drained: new disks. Your server there is stopped at 1 March 2026, 14:00 CET. Save your work before."
    )
    assert [(notice.severity, notice.message, notice.keep_minutes) for notice in early.notices] == [
        ("info", message, None)
    ]
    kept = as_announced(early, NOON + MINUTE)
    assert decided(look(lease, now=NOON + 30 * MINUTE, closures=drained), *kept) == Decision()
    final = decided(look(lease, now=NOON + 50 * MINUTE, closures=drained), *kept)
    assert [(notice.severity, notice.message) for notice in final.notices] == [("warning", message)]
    assert final.notices[0].key != early.notices[0].key
    kept += as_announced(final, NOON + 50 * MINUTE)
    ended = decided(look(lease, now=NOON + 60 * MINUTE, closures=drained), *kept)
    assert stopped(ended) == ["ESAC is drained: new disks"]
    # late or not, an admin has said so
    assert stopped(decided(look(lease, now=NOON + 300 * MINUTE, closures=drained), *kept)) == stopped(ended)


def test_a_closure_with_an_end_says_so_and_one_without_a_stop_stops_nobody() -> None:
    lease = active_lease()
    until = closure(reopens=NOON + timedelta(days=1))
    assert (
        "ESAC is closed until 2 March 2026, 13:00 CET: new disks." in told(decided(look(lease, closures=[until])))[0][1]
    )
    assert decided(look(lease, closures=[closure(stops_at=None), closure(site="cloud-eu")])) == Decision()


def test_a_drain_within_minutes_is_carried_out_in_minutes() -> None:
    lease, drained = active_lease(), [closure(stops_at=NOON + 2 * MINUTE)]
    announce = decided(look(lease, now=NOON + timedelta(seconds=20), closures=drained))
    assert [(notice.severity, notice.expires) for notice in announce.notices] == [("warning", NOON + 2 * MINUTE)]
    kept = as_announced(announce, NOON + timedelta(seconds=20))
    assert stopped(decided(look(lease, now=NOON + 2 * MINUTE, closures=drained), *kept)) == [
        "ESAC is drained: new disks"
    ]


def test_a_closure_that_was_withdrawn_for_an_earlier_one_stops_at_the_earlier() -> None:
    lease = active_lease()
    kept = as_announced(decided(look(lease, now=NOON + 50 * MINUTE, closures=[closure()])), NOON + 50 * MINUTE)
    earlier = closure(id=2, stops_at=NOON + 55 * MINUTE, created=NOON + 50 * MINUTE)
    again = decided(look(lease, now=NOON + 51 * MINUTE, closures=[earlier]), *kept)
    assert [notice.expires for notice in again.notices] == [NOON + 55 * MINUTE]


def test_a_closure_that_is_said_again_for_the_same_moment_is_told_again() -> None:
    lease, late = active_lease(), NOON + 50 * MINUTE
    first, second = (decided(look(lease, now=late, closures=[closure(id=number)])).notices for number in (1, 2))
    assert [notice.message for notice in first] == [notice.message for notice in second]
    assert {notice.key for notice in first}.isdisjoint(notice.key for notice in second)


def test_a_lost_group_gives_a_grace_that_ends_the_session_or_is_taken_back() -> None:
    lease = active_lease(charge_to="euclid")
    seen = look(lease, groups={"ana": frozenset({"staff"})})
    assert needs_groups(seen) == {"ana"}
    [grace] = decided(seen).graces
    assert (grace.lease, grace.stop_at) == (lease, NOON + 15 * MINUTE)
    assert grace.notice is not None
    assert (grace.notice.topic, grace.notice.severity, grace.notice.message, grace.notice.expires) == (
        Topic.ALLOWED,
        "error",
        "You are no longer in group euclid, which your server is charged to: it is stopped at 1 March 2026, 13:15 CET. "
        "Save your work; if this is a mistake, tell an admin.",
        grace.stop_at,
    )
    lost = replace(lease, allowed_stop_at=grace.stop_at)
    before = replace(seen, leases=[lost], now=NOON + 14 * MINUTE)
    assert decided(before) == Decision()
    after = replace(seen, leases=[lost], now=NOON + 15 * MINUTE)
    assert decided(after) == Decision(stops=(Stop(lost, Topic.ALLOWED, "ana is no longer in group euclid"),))
    back = replace(after, groups={"ana": frozenset({"euclid"})})
    assert [(grace.stop_at, grace.notice) for grace in decided(back).graces] == [(None, None)]


def test_nobody_knows_the_groups_is_no_verdict() -> None:
    fresh = active_lease(charge_to="euclid")
    lost = replace(fresh, allowed_stop_at=NOON - MINUTE)
    assert decided(look(fresh)) == Decision()
    assert decided(look(lost)) == Decision()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"charge_to": "class:physics"}, "ana is no longer in class physics"),
        ({"profile": "large"}, "profile Large is not open to the groups of ana any more"),
        ({"site": "lab"}, "The lab is not open to the groups of ana any more"),
        ({"profile": "gone", "site": "gone"}, None),
        # a label of the hub that nothing is counted for
        ({"charge_to": "intranet"}, None),
        ({}, None),
    ],
)
def test_what_a_session_needs_of_its_owners_groups(values: dict[str, Any], reason: str | None) -> None:
    lease = active_lease(allowed_stop_at=NOON, **values)
    assert stopped(decided(look(lease, groups={"ana": frozenset({"staff"})}))) == ([] if reason is None else [reason])
    in_all = frozenset({"staff", "astro", "class:physics"})
    assert stopped(decided(look(lease, groups={"ana": in_all}))) == []


def test_only_owners_whose_groups_matter_are_asked_about() -> None:
    leases = [
        active_lease(1, owner="ana"),
        active_lease(2, owner="bob", charge_to="euclid"),
        active_lease(3, owner="eva", profile="large"),
        active_lease(4, owner="max", site="lab"),
        active_lease(5, owner="zoe", charge_to="euclid", state=LeaseState.STARTING),
        active_lease(6, owner="kim", charge_to="intranet"),
    ]
    assert needs_groups(look(*leases)) == {"bob", "eva", "max"}


# --- which leases -------------------------------------------------------------------------------------------------


def test_only_the_newest_lease_of_a_server_is_stopped_by_its_name() -> None:
    ghost = active_lease(1, ends_at=NOON)
    again = active_lease(2, since=NOON + MINUTE, state=LeaseState.STARTING)
    other, cluster = active_lease(3, name="other"), active_lease(4, kind=Kind.CLUSTER)
    assert stoppable([ghost, again, other, cluster]) == [other, cluster]
    assert stoppable([replace(again, state=LeaseState.ACTIVE), ghost]) == [replace(again, state=LeaseState.ACTIVE)]


def test_a_stop_that_was_asked_for_is_asked_for_again_until_the_lease_is_over() -> None:
    lease = active_lease(reason="idle for 60 minutes", ends_at=NOON, idle_minutes=60.0, busy=True)
    seen = look(lease, now=NOON + 500 * MINUTE)
    assert decided(seen) == Decision(stops=(Stop(lease, None, "idle for 60 minutes", is_new=False),))
    assert decided(look(replace(lease, state=LeaseState.ENDED))) == Decision()


def test_a_session_is_stopped_once_for_several_reasons() -> None:
    lease = active_lease(
        quota_stop_at=NOON, quota_stop_name="gpu", allowed_stop_at=NOON, charge_to="euclid", ends_at=NOON + 60 * MINUTE
    )
    seen = look(lease, groups={"ana": frozenset()})
    assert stopped(decided(seen)) == ["limit gpu used up"]


@pytest.mark.parametrize(
    ("seconds", "spoken"),
    [
        (3600, "1 hour"), (12 * 3600, "12 hours"), (5400, "90 minutes"), (8400, "2 hours 20 minutes"),
        (60, "1 minute"), (45, "45 seconds"), (7260, "2 hours 1 minute"), (2700, "45 minutes"),
    ],
)  # fmt: skip
def test_lengths_are_spoken(seconds: int, spoken: str) -> None:
    assert spoken_length(timedelta(seconds=seconds)) == spoken


@pytest.mark.parametrize(
    ("ends_at", "local"),
    [
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "29 March 2026, 01:59 CET"),
        (datetime(2026, 3, 29, 1, 1, tzinfo=UTC), "29 March 2026, 03:01 CEST"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25 October 2026, 02:30 CEST"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25 October 2026, 02:30 CET"),
    ],
)
def test_times_are_told_as_the_clocks_on_the_wall_show_them(ends_at: datetime, local: str) -> None:
    lease = active_lease(since=ends_at - timedelta(hours=12), ends_at=ends_at)
    assert local in told(decided(look(lease, now=ends_at - 10 * MINUTE)))[0][1]


# --- clusters -----------------------------------------------------------------------------------------------------


def test_every_active_cluster_can_be_stopped_whatever_its_name() -> None:
    ones = [active_lease(number, kind=Kind.CLUSTER, name="Mosaic", profile="") for number in (1, 2)]
    starting = active_lease(3, kind=Kind.CLUSTER, state=LeaseState.STARTING, profile="")
    session = active_lease(4, name="Mosaic")
    assert stoppable([*ones, starting, session]) == [session, *ones]


def test_a_cluster_ends_with_its_site_its_limit_and_its_owners_group() -> None:
    lease = active_lease(kind=Kind.CLUSTER, name="Mosaic", profile="", site="lab")
    drained = decided(look(lease, closures=[closure(site="lab", stops_at=NOON - MINUTE)]))
    assert "Your cluster Mosaic there is stopped" in told(drained)[0][1]
    used_up = replace(lease, quota_stop_at=NOON - MINUTE, quota_stop_name="cores")
    assert stopped(decided(look(used_up))) == ["limit cores used up"]
    lost = decided(look(lease, groups={"ana": frozenset()}))
    assert lost.graces[0].stop_at == NOON + 15 * MINUTE
    assert needs_groups(look(lease)) == {"ana"}
    assert decided(look(lease, groups={"ana": frozenset({"astro"})})) == Decision(graces=())
