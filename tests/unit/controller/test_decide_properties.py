"""Random lives of a session, with clocks that are set, a controller that is away, and an owner who comes and goes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from perijove.models import Activity, Closure, Topic
from perijove_hub.admission.life import hard_bound, kept_lease, used_at
from perijove_hub.controller.decide import Look, decide, pressing
from perijove_hub.controller.steady import SteadyClock
from perijove_hub.ledger.life_store import Announcement
from perijove_hub.ledger.models import LeaseRow
from tests.support.leases import NOON, active_lease
from tests.support.platforms import platform

POLICY = platform(admission={"notice": "10m", "sweep_seconds": 30}, time_zone="Europe/Madrid", datasets={})
NOTICE, SWEEP = timedelta(minutes=10), timedelta(seconds=30)
OFFSETS = [timedelta(0), timedelta(hours=1), timedelta(hours=-1)]


@dataclass
class Life:
    """One session. ``true`` is the time in truth; our hosts show ``true + off``, its site is off by more."""

    lease: LeaseRow
    closures: list[Closure] = field(default_factory=list)
    true: datetime = NOON
    off: timedelta = timedelta(0)
    site_off: timedelta = timedelta(0)
    used: datetime = NOON
    announced: list[tuple[Announcement, str, datetime]] = field(default_factory=list)
    stopped: Topic | None = None

    def __post_init__(self) -> None:
        self.steady = SteadyClock(self.wall, lambda: (self.true - NOON).total_seconds())

    def wall(self) -> datetime:
        return self.true + self.off

    def report(self) -> None:
        """The session's own server tells control how idle it is, by its own clock."""
        there = self.true + self.site_off
        told = Activity(last_activity=self.used + self.site_off, busy=False, sent_at=there)
        at, known, now = used_at(told, self.wall()), self.lease.last_activity, self.wall()
        if known is None or known < at or known > now:  # as the ledger's query has it
            self.lease = replace(self.lease, last_activity=at)

    def keep(self) -> None:
        bound = hard_bound(self.lease, self.closures, POLICY)
        kept = kept_lease(self.lease, bound, self.wall(), timedelta(minutes=30))
        if kept is not None:
            self.lease = kept

    def sweep(self) -> None:
        look = Look(self.steady(), POLICY, [self.lease], self.closures, heard={"esac"})
        decision = decide(look, pressing(look), [announcement for announcement, _, _ in self.announced])
        known = {key for _, key, _ in self.announced}
        for notice in decision.notices:
            assert notice.key not in known, "a notice was about to be written twice"
            assert notice.lease_id is not None
            assert notice.expires is not None
            told = Announcement(notice.lease_id, notice.topic, notice.expires, look.now, notice.severity != "info")
            self.announced.append((told, notice.key, self.true))
        for stop in decision.stops:
            assert stop.topic is not None
            self.stopped = stop.topic
            self.check(stop.topic)

    def check(self, topic: Topic) -> None:
        """Nobody is stopped early, or untold. A clock that is wrong for hours costs a minute in an hour."""
        slack = (self.true - NOON) / 60 + timedelta(seconds=30)
        told = [true for announcement, _, true in self.announced if announcement.topic is topic]
        # a closure's moment stands even where it is told late, but for one whose moment has passed
        full = SWEEP if topic is Topic.CLOSURE else NOTICE - slack
        assert any(true <= self.true - full for true in told), "stopped without having been told in time"
        if topic is Topic.TIME:
            assert self.lease.ends_at is not None
            assert self.true >= self.lease.ends_at - slack
        if topic is Topic.IDLE:
            assert self.lease.idle_minutes is not None
            assert self.true - self.used >= timedelta(minutes=self.lease.idle_minutes) - slack
        if topic is Topic.CLOSURE:
            assert self.true >= min(each.stops_at for each in self.closures if each.stops_at) - slack


def closure(stops_after: timedelta) -> Closure:
    return Closure(
        id=1, site="esac", starts=NOON, stops_at=NOON + stops_after, reopens=None, reason="new disks", author="root",
        created=NOON, withdrawn=None, withdrawn_by=None,
    )  # fmt: skip


happenings = st.one_of(
    st.tuples(st.just("sweeps"), st.integers(1, 90)),
    st.tuples(st.just("away"), st.integers(1, 10_000)),
    st.tuples(st.just("used"), st.just(0)),
    st.tuples(st.just("keep"), st.just(0)),
    st.tuples(st.just("clock"), st.integers(0, 2)),
    st.tuples(st.just("site clock"), st.integers(0, 2)),
)


def play(life: Life, steps: list[tuple[str, int]]) -> None:
    for what, number in steps:
        match what:
            case "sweeps":
                for _ in range(number):
                    life.true += SWEEP
                    life.report()
                    life.sweep()
                    if life.stopped:
                        return
            case "away":  # of the controller; control hears the session
                life.true += timedelta(seconds=number)
                life.report()
            case "used":
                life.used = life.true
                life.report()
            case "keep":
                life.keep()
            case "clock":
                life.off = OFFSETS[number]
            case "site clock":
                life.site_off = OFFSETS[number]


@settings(max_examples=100, deadline=None)
@given(
    ends=st.none() | st.integers(20, 300),
    idle=st.none() | st.integers(20, 120),
    closes=st.none() | st.integers(15, 300),
    keeps=st.integers(0, 3),
    steps=st.lists(happenings, max_size=25),
)
def test_nobody_is_stopped_early_or_untold_and_everybody_is_stopped_in_the_end(
    ends: int | None, idle: int | None, closes: int | None, keeps: int, steps: list[tuple[str, int]]
) -> None:
    lease = active_lease(
        ends_at=None if ends is None else NOON + timedelta(minutes=ends),
        idle_minutes=None if idle is None else float(idle),
        keeps_left=keeps,
    )
    life = Life(lease, [] if closes is None else [closure(timedelta(minutes=closes))])
    play(life, steps)
    assert sorted({key for _, key, _ in life.announced}) == sorted(key for _, key, _ in life.announced)
    if life.stopped or (ends, idle, closes) == (None, None, None):
        return
    # whatever has happened: left alone, with clocks that are right, it ends
    life.off = life.site_off = timedelta(0)
    play(life, [("sweeps", 2 * 60 * 20)])
    assert life.stopped is not None
