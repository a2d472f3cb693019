"""A stand-in for the Dask Gateway of a site, at the far edge of tests of the user's server.

It speaks Dask Gateway's own API and what ours says beside it, has dashboards, records what it is asked, and misbehaves
to order. It runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

from perijove.models.gateways import ClusterNeed, GatewayCluster, GatewayClusters, KeepCluster, NeedRequest

from .control import TOKEN, hang

OTHER_TOKEN = "canary-hub-token-of-somebody-else"
TLS_KEY = "-----BEGIN PRIVATE KEY----- canary-tls-key"
COOKIE = "canary-gateway-cookie"
DASHBOARD_COOKIE = "canary-dashboard-cookie"
OPTIONS = [
    {"field": "title", "label": "Title", "default": "", "spec": {"type": "string"}},
    {
        "field": "worker_cores",
        "label": "Cores of a worker",
        "default": 2,
        "spec": {"type": "float", "min": 1, "max": 8},
    },
    {
        "field": "image",
        "label": "Image",
        "default": "plain",
        "spec": {"type": "select", "options": ["plain", "astro"]},
    },
    {"field": "environment", "label": "Environment", "default": {}, "spec": {"type": "mapping"}},
]
NEED = {
    "scheduler": {"cpu": 1, "memory_gib": 2},
    "worker": {"cpu": 2, "memory_gib": 4},
    "workers_max": 20,
    "idle_stop_seconds": 1800,
}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Any


@dataclass
class FakeGateway:
    """What a gateway knows, what it was asked, and how it shall misbehave. Change it between requests."""

    site: str
    address: str = ""
    #: Clusters by name, and whose they are.
    clusters: dict[str, dict[str, Any]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=lambda: list(OPTIONS))
    #: What ``needs`` says, and why a cluster is refused, or None.
    need: dict[str, Any] = field(default_factory=lambda: dict(NEED))
    refusal: str | None = None
    workers_max: int = 20
    #: Whether a cluster that is waited for begins to run.
    starts: bool = True
    #: Of its API, for all requests: a status, "hang", "drop", "html", "junk", "huge", "redirect" or "slow" (3 s).
    fault: int | str | None = None
    #: Only requests whose path holds this are misbehaved to.
    fault_path: str = ""
    #: Where redirects lead.
    elsewhere: str = ""
    #: So many answers of dashboards are 404 before their routes are there.
    dashboard_missing: int = 0
    #: The address of a real scheduler's dashboard, for all clusters; empty: what follows.
    scheduler: str = ""
    #: What a dashboard answers, by path.
    pages: dict[str, Callable[[web.Request], web.StreamResponse | Awaitable[web.StreamResponse]]] = field(
        default_factory=dict
    )

    def add(self, name: str, owner: str = TOKEN, **change: Any) -> dict[str, Any]:
        """Put a cluster there that runs."""
        cluster: dict[str, Any] = {
            "name": name,
            "title": name.title(),
            "state": "running",
            "options": {},
            "lease_id": None,
            "created": datetime(2026, 1, 1, second=next(_numbers) % 60, tzinfo=UTC).isoformat(),
            "ended": None,
            "scheduler": NEED["scheduler"],
            "worker": NEED["worker"],
            "workers": 0,
            "dashboard": True,
        }
        self.clusters[name] = cluster | change
        self.owners[name] = owner
        return self.clusters[name]

    def view(self, **change: Any) -> dict[str, Any]:
        """The gateway as control tells of it."""
        return {
            "site": self.site,
            "title": self.site.upper(),
            "region": "eu-test-1",
            "address": self.address,
            "proxy_address": "gateway://127.0.0.1:1",
            "price": {"cpu_hour": 0.1, "memory_gib_hour": 0.01, "gpu_hour": 1.0},
        } | change

    def reset(self) -> None:
        """As it was at the beginning, at the same address."""
        fresh = FakeGateway(self.site, self.address)
        self.__dict__.update(fresh.__dict__)

    def requests(self, part: str) -> list[Seen]:
        """What was asked of paths that hold this."""
        return [each for each in self.seen if part in each.path]

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(middlewares=[self._misbehave], client_max_size=1 << 22)
        add = app.router.add_route
        add("GET", "/gw/api/perijove/v1/clusters", self._list)
        add("POST", "/gw/api/perijove/v1/needs", self._needs)
        add("POST", "/gw/api/perijove/v1/clusters/{name}/keep", self._keep)
        add("GET", "/gw/api/v1/options", self._options)
        add("GET", "/gw/api/v1/clusters/", self._secrets)
        add("POST", "/gw/api/v1/clusters/", self._create)
        add("GET", "/gw/api/v1/clusters/{name}", self._one)
        add("DELETE", "/gw/api/v1/clusters/{name}", self._stop)
        add("POST", "/gw/api/v1/clusters/{name}/scale", self._scale)
        add("POST", "/gw/api/v1/clusters/{name}/adapt", self._adapt)
        add("*", "/gw/clusters/{name}/{path:.*}", self._dashboard)
        add("*", "/{path:.*}", self._nowhere)
        return app

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: Any) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        query = request.query_string
        self.seen.append(Seen(request.method, request.raw_path.partition("?")[0], query, dict(request.headers), body))
        if "/clusters/" in request.path and "/api/" not in request.path:
            response: web.StreamResponse = await handler(request)
            return response
        fault = self.fault if self.fault_path in request.path else None
        if fault == "hang":
            await hang(request)
        if fault == "slow":
            await asyncio.sleep(3)
        if fault == "drop" and request.transport is not None:
            request.transport.abort()
        if fault == "redirect":
            raise web.HTTPFound(self.elsewhere or f"{self.address}/moved")
        if fault == "html":
            return web.Response(text="<html>sign in</html>", content_type="text/html")
        if fault == "junk":
            return web.json_response({"unexpected": True, "items": 7, "cluster_options": {}, "name": 5})
        if fault == "huge":
            return web.Response(body=b"[" + b"1," * (9 << 20))
        if isinstance(fault, int):
            return _error(fault, f"Ordered by the test: {fault}, token {TOKEN}\x1b[31m.")
        if self._caller(request) not in (TOKEN, OTHER_TOKEN):
            return _error(401, "Authentication required")
        answer: web.StreamResponse = await handler(request)
        answer.set_cookie("dask-gateway-1", COOKIE, max_age=600)
        return answer

    @staticmethod
    def _caller(request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("jupyterhub ")

    def _find(self, request: web.Request) -> dict[str, Any] | web.Response:
        name = request.match_info["name"]
        cluster = self.clusters.get(name)
        if cluster is None:
            return _error(404, f"Cluster {name} not found")
        if self.owners[name] != self._caller(request):
            return _error(403, f"User scientist lacks permissions to view cluster {name}")
        return cluster

    async def _list(self, request: web.Request) -> web.Response:
        mine = [each for name, each in self.clusters.items() if self.owners[name] == self._caller(request)]
        return _model(GatewayClusters.model_validate({"items": mine[::-1]}))

    async def _needs(self, request: web.Request) -> web.Response:
        asked = NeedRequest.model_validate_json(await request.read())
        if refused := self._bad(asked.cluster_options):
            return _error(422, refused)
        return _model(ClusterNeed.model_validate(self.need))

    async def _keep(self, request: web.Request) -> web.Response:
        KeepCluster.model_validate_json(await request.read())
        found = self._find(request)
        if isinstance(found, web.Response):
            return found
        found["idle_stop_at"] = datetime(2026, 1, 2, tzinfo=UTC).isoformat()
        return _model(GatewayCluster.model_validate(found))

    async def _options(self, request: web.Request) -> web.Response:
        return web.json_response({"cluster_options": self.options})

    async def _secrets(self, request: web.Request) -> web.Response:
        return web.json_response({name: {"name": name, "tls_key": TLS_KEY} for name in self.clusters})

    async def _create(self, request: web.Request) -> web.Response:
        options = (await request.json())["cluster_options"]
        if refused := self.refusal or self._bad(options):
            return _error(422, refused)
        name = f"made{next(_numbers)}"
        self.add(name, self._caller(request), title=options.get("title", ""), options=options, state="requested")
        return web.json_response({"name": name}, status=201)

    async def _one(self, request: web.Request) -> web.Response:
        found = self._find(request)
        if isinstance(found, web.Response):
            return found
        if "wait" in request.query and found["state"] in ("requested", "starting"):
            await asyncio.sleep(0.2)
            if self.starts:
                found["state"] = "running"
        return web.json_response({"name": found["name"], "status": "RUNNING", "tls_key": TLS_KEY, "tls_cert": TLS_KEY})

    async def _stop(self, request: web.Request) -> web.Response:
        found = self._find(request)
        if isinstance(found, web.Response):
            return found if found.status == 403 else web.Response(status=204)
        found["state"] = "stopping"
        return web.Response(status=204)

    async def _scale(self, request: web.Request) -> web.Response:
        return await self._grow(request, "workers_wanted", "count")

    async def _adapt(self, request: web.Request) -> web.Response:
        asked = await request.json()
        response = await self._grow(request, "workers_wanted", "maximum")
        if response.status == 200:
            bounds = {"minimum": asked["minimum"], "maximum": min(asked["maximum"], self.workers_max)}
            self.clusters[request.match_info["name"]]["adaptive"] = bounds
        return response

    async def _grow(self, request: web.Request, wanted: str, asked: str) -> web.Response:
        found = self._find(request)
        if isinstance(found, web.Response):
            return found
        if found["state"] != "running":
            return _error(409, f"Cluster {found['name']} is not running")
        count = (await request.json())[asked]
        found[wanted] = min(count, self.workers_max)
        if count <= self.workers_max:
            return web.json_response({"ok": True, "msg": None})
        limit = f"Scale request of {count} workers would exceed resource limit of {self.workers_max} workers."
        return web.json_response({"ok": False, "msg": f"{limit} Scaling to {self.workers_max} instead."})

    def _bad(self, options: dict[str, Any]) -> str | None:
        known = {"charge_to", *(option["field"] for option in self.options)}
        extra = sorted(set(options) - known)
        if extra:
            return f"Unknown fields {extra!r}"
        return "worker_cores must be <= 8.000000, got 99" if options.get("worker_cores") == 99 else None

    async def _dashboard(self, request: web.Request) -> web.StreamResponse:
        if self.dashboard_missing > 0:
            self.dashboard_missing -= 1
            raise web.HTTPNotFound
        path = request.match_info["path"]
        if self.scheduler:
            return await self._forward(request)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await (self._leave(request) if path == "leave/ws" else self._socket(request))
        if path in self.pages:
            answer = self.pages[path](request)
            return answer if isinstance(answer, web.StreamResponse) else await answer
        if path in ("status", "info/main/workers.html"):
            response = web.Response(text=f"<html>{path}?{request.query_string}</html>", content_type="text/html")
            response.headers["X-Powered-By"] = "canary-header"
            response.set_cookie("dashboard", DASHBOARD_COOKIE)
            response.headers["Cache-Control"] = "public, max-age=31536000"
            response.headers["Content-Security-Policy"] = "frame-ancestors *"
            response.headers["Access-Control-Allow-Origin"] = "*"
            return response
        if path == "individual-plots.json":
            found = {"Individual Task Stream": "/individual-task-stream", "Individual Cpu": "/individual-cpu"}
            return web.json_response(found | {"Out": "/../../x", "Away": "http://evil.example/", "Seven": 7})
        raise web.HTTPNotFound

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(self.elsewhere)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        """As Bokeh's: its own subprotocol, a first message, then what it hears; some words make it do other things."""
        socket = web.WebSocketResponse(protocols=("bokeh",), max_msg_size=0)
        await socket.prepare(request)
        await socket.send_str(json.dumps({"msgtype": "ACK", "headers": dict(request.headers)}))
        # whoever is sent to may have gone
        with contextlib.suppress(aiohttp.ClientConnectionResetError):
            async for message in socket:
                if message.data == "close":
                    await socket.close(code=4001, message=b"enough")
                elif message.data == "large":
                    await socket.send_bytes(b"x" * (21 << 20))
                elif isinstance(message.data, str) and message.data.startswith("frames "):
                    for number in range(int(message.data.split()[1])):
                        await socket.send_bytes(b"%d" % number)
                elif message.type is aiohttp.WSMsgType.TEXT:
                    await socket.send_str(message.data)
                else:
                    await socket.send_bytes(message.data)
        self.seen.append(Seen("CLOSED", request.path, "", {}, socket.close_code))
        return socket

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        """To a real scheduler, as the proxy of a gateway does: without the prefix."""
        url = f"{self.scheduler}/{request.match_info['path']}" + (f"?{request.query_string}" if request.query else "")
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                offered = [each.strip() for each in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
                async with session.ws_connect(url, protocols=offered, origin=request.headers.get("Origin")) as far:
                    near = web.WebSocketResponse(protocols=[far.protocol] if far.protocol else [])
                    await near.prepare(request)
                    await asyncio.wait(
                        [asyncio.create_task(_pump(near, far)), asyncio.create_task(_pump(far, near))],
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                    await near.close()
                    return near
            headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
            async with session.request(request.method, url, headers=headers, allow_redirects=False) as answer:
                kept = ("Content-Type", "ETag", "Location", "Content-Encoding", "Set-Cookie")
                said = {name: answer.headers[name] for name in kept if name in answer.headers}
                return web.Response(body=await answer.read(), status=answer.status, headers=said)

    async def _nowhere(self, request: web.Request) -> web.Response:
        return _error(404, "Nothing here")


async def _pump(source: Any, sink: Any) -> None:
    async for message in source:
        if message.type is aiohttp.WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await sink.send_bytes(message.data)


def _model(model: Any) -> web.Response:
    return web.json_response(text=model.model_dump_json())


def _error(status: int, words: str) -> web.Response:
    return web.json_response({"error": words}, status=status)


@contextmanager
def threaded_gateways(*sites: str) -> Iterator[dict[str, FakeGateway]]:
    """Running stand-ins, by site."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fake-gateways", daemon=True)
    thread.start()
    runners = []
    gateways = {site: FakeGateway(site) for site in sites}

    async def start(gateway: FakeGateway) -> None:
        runner = web.AppRunner(gateway.application(), access_log=None, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        gateway.address = f"http://127.0.0.1:{runner.addresses[0][1]}/gw"

    async def stop() -> None:
        for runner in runners:
            await runner.cleanup()

    try:
        for gateway in gateways.values():
            asyncio.run_coroutine_threadsafe(start(gateway), loop).result(timeout=10)
        yield gateways
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(timeout=20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()
