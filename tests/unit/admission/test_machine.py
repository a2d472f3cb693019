"""Any interleaving of what users, hubs, networks and processes do keeps the ledger within its limits and true.

Hypothesis drives admission together with a model of the world: what really runs on each site, what the hub knows and
is about to start, and which inventories are on their way. The ledger is judged by sums of its own, not by its queries.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, initialize, invariant, multiple, rule

from perijove.models import Inventory, LeasePatch, LeaseState, SeenAttempt
from perijove_hub.admission.models import Refused
from perijove_hub.ledger.models import LeaseRow
from tests.support.platforms import open_house, platform, profile, request, site

T = TypeVar("T")

CORES = {"a": 3.0, "b": 2.0}
SESSIONS_EACH, CORES_EACH = 2, 3.0
OWNERS = ["ana", "bob", "eva"]

POLICY = platform(
    sites={name: site(name.upper(), f"region-{name}", cpu=cores) for name, cores in CORES.items()},
    profiles={"standard": profile(cpu=1), "large": profile("Large", cpu=2), "tenth": profile("Tenth", cpu=0.1)},
    quotas=[
        {"name": "sessions", "resource": "sessions", "limit": SESSIONS_EACH},
        {"name": "cores", "resource": "cpu", "limit": CORES_EACH},
    ],
    datasets={},
)


@dataclass(frozen=True)
class Wanted:
    """A user's wish, and how far the hub gets with it before anything else happens."""

    owner: str
    size: str
    where: str | None
    without_home: bool
    at_once: bool
    gets_to: str


wishes = st.builds(
    Wanted,
    owner=st.sampled_from(OWNERS),
    size=st.sampled_from(sorted(POLICY.profiles)),
    where=st.none() | st.sampled_from(sorted(CORES)),
    without_home=st.booleans(),
    at_once=st.booleans(),
    gets_to=st.sampled_from(["offered", "starting", "active"]),
)


@dataclass
class World:
    """What is really there, whatever the ledger says."""

    #: attempts that run, by site
    running: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in CORES})
    #: what the hub has a server for, and which of these it would find again after a crash
    owned: set[str] = field(default_factory=set)
    saved: set[str] = field(default_factory=set)
    #: what the hub is just starting, and where
    starting: dict[str, str] = field(default_factory=dict)

    def inventory(self, at: str) -> list[SeenAttempt]:
        beginning = {attempt for attempt, where in self.starting.items() if where == at}
        return [SeenAttempt(attempt_id=a, owned=a in self.owned) for a in sorted(self.running[at] | beginning)]

    def stop(self, attempt: str) -> None:
        for attempts in self.running.values():
            attempts.discard(attempt)

    def forget(self, attempt: str) -> None:
        self.owned.discard(attempt)
        self.saved.discard(attempt)
        self.starting.pop(attempt, None)

    def live(self) -> set[str]:
        """What a user has or is about to get: an open lease must stand behind each."""
        return {a for attempts in self.running.values() for a in attempts if a in self.owned} | set(self.starting)


class Admission(RuleBasedStateMachine):
    leases = Bundle("leases")
    inventories = Bundle("inventories")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = TemporaryDirectory()
        self.stack = AsyncExitStack()
        self.house = self.run_now(self.stack.enter_async_context(open_house(Path(self.directory.name), POLICY)))
        self.world = World()

    def run_now(self, call: Awaitable[T]) -> T:
        async def called() -> T:
            return await call

        return self.loop.run_until_complete(called())

    def moved(self, lease: tuple[str, str], patch: LeasePatch) -> bool:
        try:
            self.run_now(self.house.service.move(lease[0], patch))
        except Refused as refused:
            self.expect(refused, 409)
            return False
        return True

    def expect(self, refused: Refused, status: int) -> None:
        assert refused.problem.status == status, refused.problem

    # --- what users and the hub do ------------------------------------------------------------------------------

    def ask(self, wanted: Wanted) -> tuple[str, str] | None:
        attempt = uuid.uuid4().hex
        asked = request(
            wanted.owner,
            attempt_id=attempt,
            profile=wanted.size,
            site=wanted.where,
            without_home=wanted.without_home,
            starting=wanted.at_once,
        )
        try:
            offer = self.run_now(self.house.service.ask(asked))
        except Refused as refused:
            self.expect(refused, 403)
            return None
        assert self.run_now(self.house.service.ask(asked)) == offer
        lease = offer.id, attempt
        if wanted.at_once and wanted.gets_to == "offered":
            return lease  # the hub is killed before it hears the answer
        self.world.owned.add(attempt)
        if wanted.gets_to != "offered":
            self.start_somewhere(lease, offer.candidates[0].site, failed=False, appears=True)
        if wanted.gets_to == "active":
            self.become_active(lease)
        return lease

    @initialize(target=leases, wanted=st.lists(wishes, min_size=3, max_size=6))
    def some_ask(self, wanted: list[Wanted]) -> MultipleResults[tuple[str, str]]:
        return multiple(*(lease for each in wanted if (lease := self.ask(each))))

    @rule(target=leases, wanted=st.lists(wishes, min_size=1, max_size=3))
    def more_ask(self, wanted: list[Wanted]) -> MultipleResults[tuple[str, str]]:
        return self.some_ask(wanted)

    @rule(lease=leases, at=st.sampled_from([*CORES, "nowhere"]), failed=st.booleans(), appears=st.booleans())
    def start_somewhere(self, lease: tuple[str, str], at: str, failed: bool, appears: bool) -> None:
        """The hub tries a site: it stops what it tried before, asks, and then creates the process, or cannot."""
        attempt = lease[1]
        if attempt not in self.world.owned or attempt in self.world.saved:
            return
        self.world.stop(attempt)
        self.world.starting[attempt] = at
        if self.moved(lease, LeasePatch(state="starting", site=at, site_failed=failed)):
            if appears:
                self.world.running[at].add(attempt)
        else:
            self.world.starting.pop(attempt)

    @rule(lease=leases)
    def become_active(self, lease: tuple[str, str]) -> None:
        """The process answers, and the hub says so; without a lease it may not go on."""
        attempt = lease[1]
        if not any(attempt in attempts for attempts in self.world.running.values()) or attempt not in self.world.owned:
            return
        if self.moved(lease, LeasePatch(state="active")):
            self.world.saved.add(attempt)
        else:
            self.world.stop(attempt)
            self.world.forget(attempt)
        self.world.starting.pop(attempt, None)

    @rule(lease=leases, told=st.booleans(), failed=st.booleans())
    def stop_or_give_up(self, lease: tuple[str, str], told: bool, failed: bool) -> None:
        """The hub ends a server; control may not hear of it."""
        if lease[1] not in self.world.owned:
            return
        self.world.stop(lease[1])
        self.world.forget(lease[1])
        if told:
            assert self.moved(lease, LeasePatch(state="ended", reason="stopped", site_failed=failed))

    @rule(lease=leases, state=st.sampled_from(["starting", "active"]), at=st.none() | st.sampled_from(sorted(CORES)))
    def move_what_is_over(self, lease: tuple[str, str], state: str, at: str | None) -> None:
        """A late or repeated call, about a lease that the hub has no server for."""
        row = self.run_now(self.house.service.lease(lease[0]))
        assert row is not None
        if not row.is_open(self.house.clock.now):
            assert not self.moved(lease, LeasePatch.model_validate({"state": state, "site": at}))

    # --- what goes wrong ----------------------------------------------------------------------------------------

    @rule(lease=leases)
    def process_dies(self, lease: tuple[str, str]) -> None:
        self.world.stop(lease[1])

    @rule()
    def hub_is_killed(self) -> None:
        self.world.starting.clear()
        self.world.owned = set(self.world.saved)

    @rule(seconds=st.sampled_from([0.5, 1.5, 3, 20, 61, 200]))
    def time_passes(self, seconds: float) -> None:
        self.house.clock.advance(seconds)

    # --- inventories and sweeps ---------------------------------------------------------------------------------

    @initialize(target=inventories)
    def early_inventories(self) -> MultipleResults[tuple[str, Inventory]]:
        """Taken before most of what follows, and on their way for long."""
        return multiple(*(self.take_inventory(at, True) for at in CORES))

    @rule(target=inventories, at=st.sampled_from(sorted(CORES)), reachable=st.sampled_from([True, True, False]))
    def take_inventory(self, at: str, reachable: bool) -> tuple[str, Inventory]:
        attempts = self.world.inventory(at) if reachable else []
        return at, Inventory(observed_at=self.house.clock.now, reachable=reachable, attempts=attempts)

    @rule(taken=inventories, swept=st.booleans())
    def deliver(self, taken: tuple[str, Inventory], swept: bool) -> None:
        """An inventory arrives, at once, late, again or never; what control wants removed is removed."""
        at, inventory = taken
        live = self.world.live()
        for attempt in self.run_now(self.house.service.report(at, inventory)).remove:
            assert attempt not in live, "a session that its user has was about to be removed"
            self.world.running[at].discard(attempt)
        if swept:
            self.sweep()

    @rule()
    def sweep(self) -> None:
        live = self.world.live()
        for item in self.run_now(self.house.service.sweep()):
            assert item.state is LeaseState.EXPIRED or item.lease.attempt_id not in live

    # --- what holds always --------------------------------------------------------------------------------------

    def rows(self) -> list[LeaseRow]:
        return self.run_now(self.house.service.leases(None, None, 10_000))

    def holding(self) -> list[LeaseRow]:
        now = self.house.clock.now
        return [
            row
            for row in self.rows()
            if row.state in (LeaseState.STARTING, LeaseState.ACTIVE)
            or (row.state is LeaseState.OFFERED and now < row.created + timedelta(seconds=60))
        ]

    @invariant()
    def no_quota_and_no_site_is_overshot(self) -> None:
        holding = self.holding()
        for owner in OWNERS:
            mine = [row.resources.cpu for row in holding if row.owner == owner]
            assert len(mine) <= SESSIONS_EACH
            assert sum(mine) <= CORES_EACH + 1e-6
        for name, cores in CORES.items():
            assert sum(row.resources.cpu for row in holding if row.site == name) <= cores + 1e-6

    @invariant()
    def every_server_has_an_open_lease_where_it_runs(self) -> None:
        where = {row.attempt_id: row.site for row in self.holding() if row.state is LeaseState.ACTIVE}
        for name, attempts in self.world.running.items():
            for attempt in attempts & self.world.saved:
                assert where.get(attempt) == name

    def teardown(self) -> None:
        try:
            self.settle()
            open_attempts = {row.attempt_id for row in self.holding()}
            assert open_attempts == self.world.live(), "open leases = live servers"
            assert {a for attempts in self.world.running.values() for a in attempts} <= self.world.live()

            self.world = World()
            self.settle()
            assert self.holding() == [], "no unit is lost"
            assert all(not facts.held_cpu for facts in self.run_now(self.house.service.sites()).values())
            assert all(
                view.used == 0
                for owner in OWNERS
                for view in self.run_now(self.house.service.quotas(owner, frozenset()))
            )
        finally:
            self.run_now(self.stack.aclose())
            self.loop.close()
            self.directory.cleanup()

    def settle(self) -> None:
        """Offers run out, each site is seen, again once its orphans are removed, and the controller sweeps once."""
        self.house.clock.advance(61)
        for name in (*CORES, *CORES):
            self.deliver(self.take_inventory(name, True), swept=False)
        self.sweep()


TestAdmission = Admission.TestCase
TestAdmission.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
