"""What a scheduler says of itself, which may be anything, is taken or left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from perijove_hub.dask import scheduler
from perijove_hub.dask.scheduler import SchedulerState, look_at_scheduler

GOOD = {"workers": 2, "processing": 1, "idle_seconds": None, "python": "3.11.7", "packages": {"dask": "2026.8.0"}}


@asynccontextmanager
async def saying(answer: web.Response | bytes | dict[str, Any], status: int = 200) -> AsyncIterator[str]:
    """A scheduler's dashboard that answers so, at its address."""

    async def say(request: web.Request) -> web.StreamResponse:
        assert request.path == "/perijove/state.json"
        if isinstance(answer, web.Response):
            if isinstance(answer, web.HTTPException):
                raise answer
            return answer
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return web.Response(body=body, status=status)

    app = web.Application()
    app.router.add_get("/{path:.*}", say)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def look(address: str, *, on_this_machine: bool = True) -> SchedulerState | None:
    async with aiohttp.ClientSession() as session:
        return await look_at_scheduler(session, address, on_this_machine=on_this_machine)


async def test_what_it_says_is_read() -> None:
    async with saying(GOOD | {"more": "later versions say more"}) as address:
        seen = await look(address)
    assert seen == SchedulerState.model_validate(GOOD)


@pytest.mark.parametrize(
    "answer",
    [
        GOOD | {"workers": -1}, GOOD | {"idle_seconds": "NaN"}, GOOD | {"python": "x" * 50}, {"workers": 1}, [],
        GOOD | {"packages": {str(number): "1" for number in range(51)}}, b"", b"<html>", b"{" * 1000, b"\xff",
        b'{"workers": ' + b"1" * 70_000 + b"}",
    ],
)  # fmt: skip
async def test_what_it_should_not_say_is_left(answer: Any) -> None:
    async with saying(answer) as address:
        assert await look(address) is None


async def test_errors_and_redirects_are_left() -> None:
    for answer in (web.Response(status=404), web.HTTPFound("http://127.0.0.1:1/elsewhere")):
        async with saying(answer) as address:
            assert await look(address) is None


async def test_one_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "SECONDS", 0.2)

    async def hang(reader: Any, writer: Any) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with server:
        assert await look(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") is None
    assert await look("http://127.0.0.1:1") is None


@pytest.mark.parametrize(
    "address",
    [
        "", "http://", "ftp://127.0.0.1:80", "https://127.0.0.1:80", "http://127.0.0.1", "http://a@127.0.0.1:80",
        "http://169.254.169.254:80", "http://10.0.0.1:80", "http://control.example:80", "http://localhost:80",
        "http://127.0.0.1:99999", "http://[::1", "file:///etc/passwd", "http://2130706433:80", "http://127.1:80",
        "http://127.0.0.1:80/shutdown", "http://127.0.0.1:80?do=it", "http://127.0.0.1:80/#", "http://127.0.0.1:80#a",
    ],
)  # fmt: skip
async def test_only_schedulers_of_this_machine_are_asked(address: str) -> None:
    class Never:
        def get(self, *args: Any, **more: Any) -> Any:
            raise AssertionError(f"{address} was asked")

    assert await look_at_scheduler(Never(), address, on_this_machine=True) is None  # type: ignore[arg-type]
