"""One start over its candidates: fail-over, what is told to control, and never a second copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from aiohttp import web

from perijove.models import Candidate, Explanation, Lease, LeasePatch, LeaseState, Problem, Resources
from perijove_hub.admission.client import ControlRefused, ControlUnreachable
from perijove_hub.sites import READY_HEADER, Bounded, SiteError, SiteUnreachable, StartSpec, Status
from perijove_hub.sites import bounded as bounded_module
from perijove_hub.spawning import attempt as attempt_module
from perijove_hub.spawning.attempt import Attempt, House
from perijove_hub.spawning.refusals import StartRefused
from perijove_hub.spawning.state import Terms
from tests.support.platforms import platform, site

from .sites import ScriptedSite

ATTEMPT, LEASE = "a" * 32, "b" * 32
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TERMS = Terms(groups=["gaia"], profile=None, started=NOW)
CANDIDATES = [
    Candidate(site="esac", title="ESAC", score=1, reasons=[]),
    Candidate(site="cloud-eu", title="Cloud EU", score=0.5, reasons=[]),
]


@dataclass
class Control:
    """Grants every move, unless told otherwise, and keeps them."""

    fault: Exception | None = None
    fails_at: str = ""
    moves: list[LeasePatch] = field(default_factory=list)

    async def move(self, lease_id: str, patch: LeasePatch, deadline_seconds: float | None = None) -> Lease:
        assert lease_id == LEASE
        self.moves.append(patch)
        if self.fault and patch.state == self.fails_at:
            raise self.fault
        return Lease(
            id=LEASE,
            attempt_id=ATTEMPT,
            owner="ana",
            kind="session",
            name="",
            profile="standard",
            charge_to="gaia",
            site=patch.site,
            state=LeaseState(patch.state),
            resources=Resources(cpu=1, memory_gib=1),
            created=NOW,
            started=NOW,
            ended=None,
            reason=None,
            cost=0,
            explanation=Explanation(summary=""),
        )

    def told(self) -> list[tuple[str, str | None, bool]]:
        return [(move.state, move.site, move.site_failed) for move in self.moves]


class Start:
    """A start over two sites, and what came of it."""

    def __init__(self) -> None:
        self.esac, self.cloud = ScriptedSite("esac"), ScriptedSite("cloud-eu")
        self.control, self.said = Control(), list[str]()
        sites = {name: site(title, start_timeout_seconds=0.4) for name, title in (("esac", "E"), ("cloud-eu", "C"))}
        bounds = {"esac": Bounded(self.esac, "esac", 0.2), "cloud-eu": Bounded(self.cloud, "cloud-eu", 0.2)}
        self.house = House(platform(sites=sites, datasets={}), bounds, self.control)
        self.attempt = Attempt(self.house, ATTEMPT, self.said.append, LEASE)

    async def go(self, *, is_starting: bool = False) -> str:
        return await self.attempt.start_on_first(CANDIDATES, self.spec, TERMS, 0.01, is_starting=is_starting)

    async def fail(self) -> str:
        with pytest.raises(StartRefused) as caught:
            await self.go()
        assert caught.value.status_code == 503
        return str(caught.value.message)

    @staticmethod
    def spec(at: str) -> StartSpec:
        return StartSpec("ana", ["server"], {}, Resources(cpu=1, memory_gib=1), "/user/ana/", at)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Start:
    monkeypatch.setattr(bounded_module, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(bounded_module, "STOP_SECONDS", 0.1)
    monkeypatch.setattr(attempt_module, "STOP_SECONDS", 0.3)
    return Start()


@pytest.fixture
async def server(start: Start) -> AsyncIterator[str]:
    """A server that answers as a single-user server does, at the address that both sites give."""

    async def answer(request: web.Request) -> web.Response:
        assert request.path == "/user/ana/api"
        return web.Response(headers={READY_HEADER: "6.1.1"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    start.esac.url = start.cloud.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield start.esac.url
    await runner.cleanup()


async def test_the_first_candidate_that_answers_has_the_session(start: Start, server: str) -> None:
    assert await start.go() == server
    assert start.control.told() == [("starting", "esac", False), ("active", None, False)]
    assert start.said == ["Starting at ESAC", "Running at ESAC"]
    assert start.cloud.asked == []
    saved = start.attempt.saved()
    assert saved is not None
    assert (saved.site, saved.url, saved.lease_id, saved.home_site) == ("esac", server, LEASE, "esac")
    assert saved.terms == replace_terms(profile="standard", charge_to="gaia")


async def test_a_start_that_is_on_record_at_the_first_candidate_says_so_only_of_the_next(
    start: Start, server: str
) -> None:
    assert await start.go(is_starting=True) == server
    assert start.control.told() == [("active", None, False)]
    assert start.said == ["Starting at ESAC", "Running at ESAC"]
    start.control.moves.clear()
    start.esac.starts = SiteError("no room")
    assert await start.go(is_starting=True) == server
    assert start.control.told() == [("starting", "cloud-eu", True), ("active", None, False)]


def replace_terms(**more: object) -> Terms:
    return TERMS.model_copy(update=more)


async def test_a_site_that_cannot_be_asked_is_passed_over_and_not_asked_to_stop(start: Start, server: str) -> None:
    start.esac.starts = SiteUnreachable("connection refused")
    assert await start.go() == server
    assert start.esac.asked == ["start", "log_tail"]
    assert start.control.told() == [
        ("starting", "esac", False),
        ("starting", "cloud-eu", True),
        ("active", None, False),
    ]
    assert start.said == [
        "Starting at ESAC",
        "ESAC did not start it: connection refused",
        "Starting at Cloud EU",
        "Running at Cloud EU",
    ]


async def test_a_site_that_fails_is_cleared_before_the_next_is_tried(start: Start, server: str) -> None:
    start.esac.starts = SiteError("no room")
    assert await start.go() == server
    assert start.esac.asked == ["start", "log_tail", "stop"]
    assert start.attempt.handle is not None
    assert start.attempt.handle.site == "cloud-eu"


@pytest.mark.parametrize(("starts", "ends"), [(SiteError("lost answer"), SiteError("no answer")), (None, None)])
async def test_what_may_still_come_up_gets_no_second_copy_elsewhere(
    start: Start, starts: Exception | None, ends: Exception | None
) -> None:
    start.esac.starts, start.esac.ends, start.esac.hangs = starts, ends, starts is None
    sentence = await start.fail()
    assert "It may still come up there, so it was not tried elsewhere" in sentence
    assert start.cloud.asked == []
    # the lease stays with what may run, until an inventory tells
    assert start.control.told() == [("starting", "esac", False)]
    assert start.attempt.handle is not None
    # and the hub, which clears away after every failed start, is not held up again
    with pytest.raises(SiteError, match="it did not end before"):
        await start.attempt.stop()


async def test_when_no_site_starts_it_control_is_told_why_with_the_end_of_the_last_log(start: Start) -> None:
    for each, name in ((start.esac, "esac"), (start.cloud, "cloud")):
        each.status, each.log = [Status.STOPPED], f"x\0{'y' * 9000}\nTraceback\n  last words of {name}\n\n"
    sentence = await start.fail()
    assert sentence == (
        "No site could start your server. ESAC: the server did not answer within 0.4 s. It last said: last words of "
        "esac; Cloud EU: the server did not answer within 0.4 s. It last said: last words of cloud"
    )
    *_, last = start.control.moves
    assert (last.state, last.site_failed) == ("ended", True)
    assert last.reason == sentence.removeprefix("No site could start your server. ")
    assert last.log_tail is not None
    assert len(last.log_tail) <= 8000
    assert last.log_tail.endswith("last words of cloud\n\n")
    assert "\0" not in last.log_tail
    # said once; the step after the stop has nothing more to say
    await start.attempt.end_lease()
    assert start.control.moves[-1] is last
    assert len(start.control.moves) == 3


async def test_a_failed_start_without_a_log_has_none(start: Start) -> None:
    start.esac.starts = start.cloud.starts = SiteError("no room")
    await start.fail()
    assert start.control.moves[-1].log_tail is None


async def test_a_candidate_that_control_no_longer_grants_is_passed_over_without_blame(
    start: Start, server: str
) -> None:
    start.control.fault = ControlRefused(Problem(title="Full", status=409, detail="it is full by now"))
    start.control.fails_at = "starting"
    sentence = await start.fail()
    assert "ESAC: it is full by now; Cloud EU: it is full by now" in sentence
    assert start.esac.asked == start.cloud.asked == []
    assert start.control.told()[-1] == ("ended", None, False)


@pytest.mark.parametrize("state", ["starting", "active"])
async def test_a_control_that_does_not_answer_ends_the_start(start: Start, server: str, state: str) -> None:
    start.control.fault, start.control.fails_at = ControlUnreachable("away"), state
    sentence = await start.fail()
    assert sentence.startswith("The platform cannot check your quota now, so nothing was started.")
    assert start.cloud.asked == []


async def test_a_site_that_the_hub_does_not_know_is_passed_over(start: Start, server: str) -> None:
    start.attempt.house = replace(start.house, sites={"cloud-eu": start.house.sites["cloud-eu"]})
    assert await start.go() == server
    assert start.said[0].startswith("ESAC did not start it: the hub does not know this site")


async def test_a_start_that_was_given_up_leaves_nothing(start: Start, server: str) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    create = start.esac.start

    async def slow(spec: StartSpec, attempt_id: str) -> object:
        begun.set()
        await go_on.wait()
        return await create(spec, attempt_id)

    start.esac.start = slow  # type: ignore[method-assign]  # a site that takes its time
    starting = asyncio.create_task(start.go())
    await begun.wait()
    start.attempt.is_wanted = False
    go_on.set()
    with pytest.raises(StartRefused, match=r"The start was stopped\."):
        await starting
    assert start.esac.asked == ["start", "stop"]


async def test_a_start_without_a_lease_asks_control_for_nothing(start: Start, server: str) -> None:
    start.attempt.lease_id = ""
    assert await start.go() == server
    assert start.control.moves == []
    assert start.attempt.terms == TERMS
    await start.attempt.stop()
    await start.attempt.end_lease()
    assert start.control.moves == []


async def test_an_end_that_control_does_not_hear_is_no_error_and_said_again(start: Start, server: str) -> None:
    await start.go()
    start.control.fault, start.control.fails_at = ControlUnreachable("away"), "ended"
    await start.attempt.end_lease()
    await start.attempt.end_lease()
    assert [move.state for move in start.control.moves].count("ended") == 2


@pytest.mark.parametrize("is_users", [True, False])
async def test_an_image_that_its_user_has_named_and_that_does_not_come_up_is_no_fault_of_the_sites(
    start: Start, is_users: bool
) -> None:
    start.attempt.image_is_users = is_users
    for each in (start.esac, start.cloud):
        each.starts = SiteError("its image cannot be fetched")
    await start.fail()
    assert [move.site_failed for move in start.control.moves] == [False, not is_users, not is_users]


async def test_a_site_that_is_out_of_reach_is_at_fault_whatever_image_was_named(start: Start) -> None:
    start.attempt.image_is_users = True
    for each in (start.esac, start.cloud):
        each.starts = SiteUnreachable("its API does not answer")
    await start.fail()
    assert [move.site_failed for move in start.control.moves] == [False, True, True]
