"""When a server is up: it says so itself, without an error, and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
from aiohttp import web
from jupyterhub.objects import Server

from perijove_hub.sites import READY_HEADER, Handle, Status
from perijove_hub.spawning import readiness as readiness_module
from perijove_hub.spawning.readiness import answered, wait_until_ready
from perijove_hub.spawning.refusals import StartFailed

from .sites import ScriptedSite

Answer = Callable[[], web.Response]


class Address:
    """What answers at the address of a server, in order, the last for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [ready]
        self.url = ""
        self.asked = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])()


def ready() -> web.Response:
    return web.Response(headers={READY_HEADER: "6.1.1"})


def broken() -> web.Response:
    return web.Response(status=500, headers={READY_HEADER: "6.1.1"})


def stranger() -> web.Response:
    return web.Response(text="It works!")


def login() -> web.Response:
    return web.Response(status=302, headers={"Location": "/hub/login", READY_HEADER: "6.1.1"})


@pytest.fixture
async def address() -> AsyncIterator[Address]:
    address = Address()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", address.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield address
    await runner.cleanup()


async def wait(url: str, site: ScriptedSite | None = None, seconds: float = 0.3) -> Mapping[str, str]:
    until = asyncio.get_running_loop().time() + seconds
    handle = Handle("esac", "a" * 32, url)
    return await wait_until_ready(site or ScriptedSite(), handle, "/user/ana/", until, seconds, 0.01)


@pytest.mark.parametrize("answers", [[ready], [login], [broken, broken, ready], [stranger, ready]])
async def test_a_server_that_answers_itself_is_up(address: Address, answers: list[Answer]) -> None:
    address.answers = list(answers)
    assert (await wait(address.url, seconds=10))[READY_HEADER] == "6.1.1"
    assert address.asked == len(answers)


@pytest.mark.parametrize("answer", [broken, stranger])
async def test_any_other_answer_is_none(address: Address, answer: Answer) -> None:
    address.answers = [answer]
    with pytest.raises(StartFailed, match=r"^the server did not answer within 0\.3 s\.$") as caught:
        await wait(address.url)
    assert caught.value.sites_fault
    assert address.asked > 3


async def test_nobody_at_the_address_is_waited_for_in_vain() -> None:
    with pytest.raises(StartFailed, match="did not answer within"):
        await wait("http://127.0.0.1:9")


async def test_a_server_that_ended_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness_module, "LOOK_SECONDS", 0.05)
    site = ScriptedSite(status=[Status.RUNNING, Status.UNKNOWN, Status.STOPPED])
    with pytest.raises(StartFailed, match=r"^the server ended while starting\.$"):
        await wait("http://127.0.0.1:9", site, seconds=10)
    assert site.asked == [*["poll"] * 3, "ending"]


async def test_the_hub_is_told_of_the_answer_once_and_asks_for_itself_the_next_time(address: Address) -> None:
    server = Server.from_url(f"{address.url}/user/ana/")
    answered(server, {READY_HEADER: "said before"})
    told = await server.wait_up(http=True, timeout=5, ssl_context=None, extra_path="api")
    assert (told.headers[READY_HEADER], address.asked) == ("said before", 0)
    asked = await server.wait_up(http=True, timeout=5, ssl_context=None, extra_path="api")
    assert (asked.headers[READY_HEADER], address.asked) == ("6.1.1", 1)
