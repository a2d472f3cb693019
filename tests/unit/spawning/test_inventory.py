"""What the hub tells control of a site, and what it does with the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from perijove.models import AttemptFacts, HomeSize, Inventory, InventoryAnswer
from perijove_hub.admission.client import ControlUnreachable
from perijove_hub.sites import SiteError
from perijove_hub.spawner import PerijoveSpawner
from perijove_hub.spawning import inventory as inventory_module
from perijove_hub.spawning.attempt import House
from perijove_hub.spawning.inventory import SiteReporter
from tests.support.platforms import FakeClock, platform

from .sites import ScriptedSite

MINE, YOURS, THEIRS = "a" * 32, "b" * 32, "c" * 32
FACTS = AttemptFacts(owner="ana", started=FakeClock()())
SIZE = HomeSize(owner="ana", used_bytes=7, measured_at=FakeClock()())


@dataclass
class Spawner:
    """What an inventory asks a spawner."""

    site: str | None = "esac"
    is_up: bool = True
    is_ending: bool = False
    has_lease: bool = True
    lease_id: str = ""
    recorded_site: str | None = None

    @property
    def sites(self) -> set[str | None]:
        return {self.site, self.recorded_site}

    def facts(self) -> AttemptFacts | None:
        return FACTS if self.is_up else None

    def take_lease(self, lease_id: str) -> None:
        self.lease_id, self.has_lease = lease_id, True


@dataclass
class Control:
    answers: list[InventoryAnswer | Exception] = field(default_factory=lambda: [InventoryAnswer(remove=[])])
    heard: list[Inventory] = field(default_factory=list)

    async def report(self, site: str, inventory: Inventory) -> InventoryAnswer:
        assert site == "esac"
        self.heard.append(inventory)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def last(self) -> dict[str, tuple[bool, bool]]:
        """Of each attempt that was told last: is it ours, and was control given what it needs to take it up."""
        return {seen.attempt_id: (seen.owned, seen.facts is not None) for seen in self.heard[-1].attempts}


class Bed:
    def __init__(self) -> None:
        self.site, self.control = ScriptedSite(seen=[MINE]), Control()
        self.untold = [SIZE]
        self.owned = {MINE: Spawner()}
        self.reporter = SiteReporter("esac", self.site, 60)

    def take(self, site: str) -> list[HomeSize]:
        sizes, self.untold = self.untold, []
        return sizes

    def put_back(self, site: str, sizes: list[HomeSize]) -> None:
        self.untold += sizes


@pytest.fixture
def bed(monkeypatch: pytest.MonkeyPatch) -> Bed:
    bed = Bed()
    monkeypatch.setattr(PerijoveSpawner, "house", House(platform(), {}, bed.control), raising=False)
    monkeypatch.setattr(PerijoveSpawner, "homes", SimpleNamespace(take=bed.take, put_back=bed.put_back), raising=False)
    monkeypatch.setattr(PerijoveSpawner, "owned", bed.owned)
    return bed


async def test_what_runs_is_told_with_whether_the_hub_has_a_server_for_it(bed: Bed) -> None:
    bed.site.seen = [MINE, YOURS]
    await bed.reporter.report()
    assert {attempt: owned for attempt, (owned, _) in bed.control.last().items()} == {MINE: True, YOURS: False}
    assert bed.control.heard[0].homes == [SIZE]


async def test_what_is_being_started_counts_as_there_and_what_is_up_must_be_seen(bed: Bed) -> None:
    bed.site.seen = []
    bed.owned |= {YOURS: Spawner(is_up=False), THEIRS: Spawner(site="cloud-eu", is_up=False)}
    await bed.reporter.report()
    assert bed.control.last() == {YOURS: (True, False)}


async def test_what_is_being_stopped_counts_as_there_until_control_has_heard_how_it_ended(bed: Bed) -> None:
    bed.site.seen = []
    bed.owned[MINE].is_ending = True
    await bed.reporter.report()
    assert bed.control.last() == {MINE: (True, True)}
    del bed.owned[MINE]  # as the hub does when it has told control
    await bed.reporter.report()
    assert bed.control.last() == {}


async def test_what_has_no_lease_yet_may_be_on_record_anywhere_and_is_told_of_every_site(bed: Bed) -> None:
    bed.owned |= {YOURS: Spawner(site=None, is_up=False, has_lease=False), THEIRS: Spawner("cloud-eu", has_lease=False)}
    await bed.reporter.report()
    # what control needs to take it up is told of the site that it is on, and of no other
    assert bed.control.last() == {MINE: (True, True), YOURS: (True, False), THEIRS: (True, False)}


async def test_what_is_on_record_there_is_told_of_the_site_until_control_has_heard_where_it_goes_on(bed: Bed) -> None:
    bed.owned[YOURS] = Spawner(site="cloud-eu", is_up=False, recorded_site="esac")
    await bed.reporter.report()
    assert bed.control.last() == {MINE: (True, True), YOURS: (True, False)}


async def test_what_is_left_on_a_site_after_the_start_went_on_elsewhere_is_an_orphan_there(bed: Bed) -> None:
    bed.owned[MINE].site = "cloud-eu"
    await bed.reporter.report()
    assert bed.control.last() == {MINE: (False, False)}


async def test_what_begins_or_ends_while_the_site_tells_is_no_orphan(bed: Bed) -> None:
    async def listing() -> list[str]:
        # one server has ended by the time the site tells, another has begun
        del bed.owned[MINE]
        bed.owned[YOURS] = Spawner()
        return [MINE, YOURS]

    bed.site.list = listing  # type: ignore[method-assign]  # a site that takes its time
    await bed.reporter.report()
    assert {attempt: owned for attempt, (owned, _) in bed.control.last().items()} == {MINE: True, YOURS: True}


async def test_what_control_needs_to_take_a_session_up_is_told_first_and_then_now_and_then(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory_module, "FACTS_EVERY", 3)
    told = []
    for _ in range(7):
        await bed.reporter.report()
        told.append(bed.control.last()[MINE][1])
    assert told == [True, False, False, True, False, False, True]


async def test_it_is_told_again_when_control_was_away(bed: Bed) -> None:
    away = ControlUnreachable("away")
    bed.control.answers = [InventoryAnswer(remove=[]), InventoryAnswer(remove=[]), away, InventoryAnswer(remove=[])]
    told = []
    for _ in range(5):
        await bed.reporter.report()
        told.append(bed.control.last()[MINE][1])
    assert told == [True, False, False, True, False]


async def test_it_is_told_of_a_session_without_a_lease_until_control_has_taken_it_up(bed: Bed) -> None:
    bed.owned[YOURS] = Spawner(has_lease=False)
    bed.site.seen = [MINE, YOURS]
    nothing, taken = InventoryAnswer(remove=[]), InventoryAnswer(remove=[], adopted={YOURS: "d" * 32, THEIRS: "e" * 32})
    bed.control.answers = [nothing, nothing, taken, nothing]
    told = []
    for _ in range(4):
        await bed.reporter.report()
        told.append(bed.control.last()[YOURS][1])
    assert told == [True, True, True, False]
    assert bed.owned[YOURS].lease_id == "d" * 32


async def test_an_unreachable_site_is_told_as_that_and_nothing_is_concluded(bed: Bed) -> None:
    bed.site.fault = SiteError("cut off")
    await bed.reporter.report()
    assert [(told.reachable, told.attempts) for told in bed.control.heard] == [(False, [])]
    # and it is the first that is reachable that tells all
    bed.site.fault = None
    await bed.reporter.report()
    assert bed.control.last() == {MINE: (True, True)}


async def test_sizes_of_homes_that_control_did_not_hear_are_told_again(bed: Bed) -> None:
    bed.control.answers = [ControlUnreachable("away"), InventoryAnswer(remove=[])]
    await bed.reporter.report()
    await bed.reporter.report()
    assert [told.homes for told in bed.control.heard] == [[SIZE], [SIZE]]


async def test_what_has_no_business_there_is_removed_and_the_site_told_of_again(bed: Bed) -> None:
    bed.site.seen = [MINE, YOURS, THEIRS]
    bed.control.answers = [InventoryAnswer(remove=[YOURS, THEIRS]), InventoryAnswer(remove=[])]
    stopped: list[str] = []

    async def stop(handle: Any) -> None:
        stopped.append(handle.attempt_id)
        if handle.attempt_id == THEIRS:
            raise SiteError("it does not end")
        bed.site.seen.remove(handle.attempt_id)

    bed.site.stop = stop  # type: ignore[method-assign]  # a site that remembers
    await bed.reporter.report()
    assert stopped == [YOURS, THEIRS]
    assert set(bed.control.last()) == {MINE, THEIRS}
    assert len(bed.control.heard) == 2
