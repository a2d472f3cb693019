"""What the hub asks a spawner while servers run and while it comes up: always an answer, and never from control."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub.objects import Server

from perijove.models import Problem, Silence
from perijove_hub.admission.client import ControlRefused, ControlUnreachable
from perijove_hub.sites import Bounded, SiteError, SiteInterface, Status
from perijove_hub.sites import bounded as bounded_module
from perijove_hub.spawner import RECOVER_SECONDS, PerijoveSpawner
from perijove_hub.spawning import attempt as attempt_module
from perijove_hub.spawning.attempt import House
from tests.support.platforms import platform

from .sites import ScriptedSite

ATTEMPT = "a" * 32
URL = "http://127.0.0.1:4711"
SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)
STATE = {
    "perijove": {
        "attempt_id": ATTEMPT,
        "lease_id": "b" * 32,
        "site": "esac",
        "url": URL,
        "home_site": "esac",
        "terms": {"groups": ["gaia"], "profile": "standard", "started": "2026-03-01T12:00:00Z"},
    },
    "perijove_home": "esac",
}


class NobodyAsks:
    """In the place of control: whatever is asked of it fails the test."""

    deadline_seconds = 20

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"control was asked: {name}")


@dataclass
class ToldOfSilence:
    """In the place of control where it is told of machines that are silent."""

    fault: Exception | None = None
    told: list[tuple[str, Silence]] = field(default_factory=list)

    async def tell_silence(self, lease_id: str, silence: Silence, deadline_seconds: float) -> None:
        assert deadline_seconds <= 2  # a poll waits for it
        if self.fault:
            raise self.fault
        self.told.append((lease_id, silence))


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_module, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(bounded_module, "STOP_SECONDS", 0.05)
    monkeypatch.setattr(attempt_module, "CHECK_SECONDS", 0.01)


@pytest.fixture
def make_spawner(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(site: ScriptedSite | None = None, state: Any = None) -> PerijoveSpawner:
        sites: dict[str, SiteInterface] = {"esac": Bounded(site, "esac", 0.05)} if site else {}
        monkeypatch.setattr(PerijoveSpawner, "house", House(platform(), sites, NobodyAsks()), raising=False)
        monkeypatch.setattr(PerijoveSpawner, "owned", {})
        user = SimpleNamespace(name="ana", groups=[], spawners={}, orm_spawners={})
        spawner = PerijoveSpawner(user=user)
        spawner._server = Server(ip="127.0.0.1", port=1, base_url="/user/ana/")
        if state is not None:
            spawner.load_state(state)
        return spawner

    return make


MISBEHAVING = {
    "raises": ScriptedSite(fault=RuntimeError("a bug")),
    "refuses": ScriptedSite(fault=SiteError("no")),
    "hangs": ScriptedSite(hangs=True),
    "does not tell": ScriptedSite(status=[Status.UNKNOWN]),
    "is unknown to the hub": None,
}


@pytest.mark.parametrize("site", MISBEHAVING.values(), ids=MISBEHAVING)
async def test_a_site_that_does_not_tell_has_a_server_that_runs(make_spawner: Any, site: ScriptedSite | None) -> None:
    spawner = make_spawner(site, STATE)
    assert await spawner.poll() is None
    assert await spawner.get_url() == f"{URL}/user/ana/"
    assert spawner.get_state()["perijove"]["lease_id"] == "b" * 32


async def test_a_server_that_runs_or_ended_is_told_from_one_another(make_spawner: Any) -> None:
    assert await make_spawner(ScriptedSite(), STATE).poll() is None
    assert await make_spawner(ScriptedSite(status=[Status.STOPPED]), STATE).poll() == 0
    assert await make_spawner(ScriptedSite()).poll() == 0, "one that never started"


async def test_a_hub_that_comes_up_waits_for_a_site_that_does_not_tell(make_spawner: Any) -> None:
    site = ScriptedSite(status=[Status.UNKNOWN, Status.UNKNOWN, Status.RUNNING])
    spawner = make_spawner(site, STATE)
    spawner._check_pending = True
    assert await spawner.poll() is None
    assert site.asked == ["poll"] * 3
    # and then it gives the server time to be reached
    assert await spawner.get_url() == f"{URL}/user/ana/"
    assert spawner.http_timeout == RECOVER_SECONDS


async def test_a_hub_that_comes_up_learns_that_a_server_ended_when_its_site_is_back(make_spawner: Any) -> None:
    spawner = make_spawner(ScriptedSite(status=[Status.UNKNOWN, Status.STOPPED]), STATE)
    spawner._check_pending = True
    assert await spawner.poll() == 0


async def test_a_server_that_is_stopped_meanwhile_is_waited_for_no_longer(make_spawner: Any) -> None:
    spawner = make_spawner(ScriptedSite(status=[Status.UNKNOWN]), STATE)
    spawner._check_pending = True
    waiting = asyncio.create_task(spawner.poll())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    spawner._check_pending = False
    assert await asyncio.wait_for(waiting, 5) is None


async def test_the_owner_is_told_once_that_a_machine_is_silent_and_once_that_it_is_not(make_spawner: Any) -> None:
    site = ScriptedSite(silent=[None, SINCE, SINCE, None, None])
    spawner, control = make_spawner(site, STATE), ToldOfSilence(ControlUnreachable("it is away"))
    spawner._attempt.house = replace(PerijoveSpawner.house, control=control)
    assert [await spawner.poll() for _ in range(2)] == [None, None]
    assert control.told == []

    control.fault = None
    for _ in range(3):
        assert await spawner.poll() is None
    assert control.told == [("b" * 32, Silence(since=SINCE)), ("b" * 32, Silence(since=SINCE, is_over=True))]


async def test_what_control_refuses_to_tell_is_not_asked_again_and_again(make_spawner: Any) -> None:
    refusal = ControlRefused(Problem(title="The lease is over", status=409, detail="Lease b is ended."))
    spawner, control = make_spawner(ScriptedSite(silent=[SINCE]), STATE), ToldOfSilence(refusal)
    spawner._attempt.house = replace(PerijoveSpawner.house, control=control)
    assert await spawner.poll() is None
    control.fault = None
    assert await spawner.poll() is None
    assert control.told == []


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"perijove": None},
        {"perijove": []},
        {"perijove": "x"},
        {"perijove": {}},
        {"perijove": {**STATE["perijove"], "attempt_id": "../../etc"}},
        {"perijove": {**STATE["perijove"], "terms": {"started": "yesterday"}}},
        {"perijove_home": 7},
        {"pid": 1},
    ],
)
async def test_a_state_that_cannot_be_read_is_no_session(make_spawner: Any, state: dict[str, Any]) -> None:
    spawner = make_spawner(ScriptedSite(), state)
    assert await spawner.poll() == 0
    assert spawner.get_state() == {}
    assert PerijoveSpawner.owned == {}


async def test_the_state_of_an_earlier_version_is_still_a_session(make_spawner: Any) -> None:
    old = {"perijove": {"attempt_id": ATTEMPT, "lease_id": "b" * 32, "site": "esac", "url": URL}}
    spawner = make_spawner(ScriptedSite(), old)
    assert await spawner.poll() is None
    assert spawner.is_up
    assert spawner.facts() is None


async def test_a_session_is_ending_from_when_it_is_stopped(make_spawner: Any) -> None:
    spawner = make_spawner(ScriptedSite(), STATE)
    assert not spawner.is_ending
    await spawner.stop()
    assert spawner.is_ending
    spawner.clear_state()
    assert not spawner.is_ending


async def test_a_state_comes_back_as_it_was_and_the_home_outlives_it(make_spawner: Any) -> None:
    spawner = make_spawner(ScriptedSite(), STATE)
    again = make_spawner(ScriptedSite(), spawner.get_state())
    assert again.get_state() == spawner.get_state()
    assert PerijoveSpawner.owned == {ATTEMPT: again}
    again.clear_state()
    assert again.get_state() == {"perijove_home": "esac"}
    assert PerijoveSpawner.owned == {}


async def test_what_control_needs_to_take_a_session_up_is_told_when_it_is_ready(make_spawner: Any) -> None:
    spawner = make_spawner(ScriptedSite(), STATE)
    facts = spawner.facts()
    assert facts is not None
    assert facts.model_dump(mode="json") == {
        "owner": "ana",
        "groups": ["gaia"],
        "kind": "session",
        "name": "",
        "profile": "standard",
        "charge_to": None,
        "without_home": False,
        "image": None,
        "started": "2026-03-01T12:00:00Z",
    }
    spawner._check_pending = True
    assert spawner.facts() is None


@pytest.mark.parametrize("fault", ["hangs", "refuses", "raises", "is unknown to the hub"])
async def test_a_stop_that_does_not_come_about_is_an_error_in_words(make_spawner: Any, fault: str) -> None:
    spawner = make_spawner(MISBEHAVING[fault], STATE)
    with pytest.raises(SiteError):
        await spawner.stop()
    assert spawner.get_state()["perijove"]["attempt_id"] == ATTEMPT, "until it is gone it is not forgotten"
