"""A gate between the hub and control: it passes requests on, and lets a test act at an exact step of a start."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from multidict import CIMultiDict


@dataclass
class Step:
    """A moment of one exchange: ``before`` control has seen the request, or ``after`` it has answered."""

    when: str
    method: str
    fragment: str

    def matches(self, when: str, method: str, path: str, body: bytes) -> bool:
        return when == self.when and method == self.method and self.fragment.encode() in path.encode() + b" " + body


@dataclass
class Gate:
    """An HTTP server on a thread of its own; ``target`` is where control listens."""

    target: str
    port: int
    _trap: tuple[Step, Callable[[], None]] | None = None
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    sprung: threading.Event = field(default_factory=threading.Event)
    seen: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def trap(self, step: Step, act: Callable[[], None]) -> None:
        """Call ``act`` once, when ``step`` comes."""
        self.sprung.clear()
        self._trap = (step, act)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", self.port).start())
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=32 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        return app

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.seen.append((request.method, request.path))
        await self._spring("before", request, body)
        headers = {k: v for k, v in request.headers.items() if k.lower() != "content-length"}
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.request(
                    request.method,
                    self.target + request.path_qs,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    auto_decompress=False,
                ) as answer,
            ):
                content = await answer.read()
        except aiohttp.ClientError:
            return web.Response(status=502)
        await self._spring("after", request, body)
        kept = [(k, v) for k, v in answer.headers.items() if k.lower() not in ("content-length", "transfer-encoding")]
        return web.Response(status=answer.status, body=content, headers=CIMultiDict(kept))

    async def _spring(self, when: str, request: web.Request, body: bytes) -> None:
        if self._trap is None:
            return
        step, act = self._trap
        if step.matches(when, request.method, request.path, body):
            self._trap = None
            await asyncio.to_thread(act)
            self.sprung.set()
