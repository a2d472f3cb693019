"""The bed's face over HTTP: who asks, what is recorded, which fault it meets, and what it is answered."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from . import errors
from .api import Api
from .errors import ApiError
from .faults import Fault, FaultKind, Faults
from .request import ApiRequest, parse_path, read_request
from .resources import Object, Resources
from .rights import Account, Accounts
from .store import Store
from .watching import Cut, Watch

_RECORDED_REQUESTS = 100_000
_MAX_BODY_BYTES = 16 << 20
_HEALTH = frozenset({"/healthz", "/livez", "/readyz"})
#: What a dropped connection is recorded with.
NO_ANSWER = 0


@dataclass(slots=True)
class Recorded:
    """One request that the bed has met. ``status`` is 0 for what got no answer; a watch is recorded as it begins.

    ``resource`` holds the subresource, too (``pods/log``); it is empty for discovery and for paths that are not there.
    """

    method: str
    path: str
    query: dict[str, str]
    user_agent: str
    status: int = NO_ANSWER
    user: str = ""
    verb: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    body: Any = field(default=None, repr=False)
    #: When it came, by the monotonic clock.
    at_seconds: float = field(default_factory=time.monotonic, repr=False)
    #: A stream has begun: it was recorded then.
    began: bool = field(default=False, repr=False)


class Server:
    """Answers over HTTP. ``latency_seconds`` is waited before every answer and may be changed while it runs."""

    def __init__(
        self, store: Store, resources: Resources, api: Api, accounts: Accounts, faults: Faults, git_version: str
    ) -> None:
        self.latency_seconds = 0.0
        self.bookmark_seconds = 10.0
        self.recorded: deque[Recorded] = deque(maxlen=_RECORDED_REQUESTS)
        self.under_way = 0
        self._store = store
        self._resources = resources
        self._api = api
        self._accounts = accounts
        self._faults = faults
        major, minor = git_version.removeprefix("v").split(".")[:2]
        self._version = {"major": major, "minor": minor, "gitVersion": git_version, "platform": "linux/amd64"}
        self._streams: set[asyncio.Task[Any]] = set()
        self._late: set[asyncio.Task[web.StreamResponse]] = set()

    def app(self) -> web.Application:
        """As aiohttp serves it."""
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    def close(self) -> None:
        """What is late is not carried out any more."""
        for task in self._late:
            task.cancel()

    def cut_streams(self) -> None:
        """Ends the connections of all watches that are under way."""
        for task in self._streams:
            task.cancel()

    async def _answer(self, http: web.Request) -> web.StreamResponse:
        if http.path in _HEALTH:
            return web.Response(text="ok")
        entry = Recorded(http.method, http.path, dict(http.query), http.headers.get("User-Agent", ""))
        self.under_way += 1
        try:
            response = await self._answer_recorded(http, entry)
            entry.status = response.status
            return response
        except ApiError as error:
            entry.status = error.code
            if not entry.verb:
                _note_target(entry, http, self._resources)
            return _error_response(error)
        except Cut:
            return _cut(http)
        finally:
            self.under_way -= 1
            if not entry.began:
                self.recorded.append(entry)

    async def _answer_recorded(self, http: web.Request, entry: Recorded) -> web.StreamResponse:
        account = self._accounts.who(http.headers.get("Authorization", ""))
        if account is None:
            raise errors.unauthorized()
        entry.user = account.user
        self._faults.check_rate()
        if (said := self._discovery(http.path)) is not None:
            return web.json_response(said)
        request = await read_request(http, self._resources)
        entry.verb, entry.resource, entry.body = request.verb, request.asked, request.body
        entry.namespace, entry.name = request.namespace, request.target
        return await self._answer_with_faults(request, account, entry)

    async def _answer_with_faults(self, request: ApiRequest, account: Account, entry: Recorded) -> web.StreamResponse:
        fault = self._faults.pick(request)
        delay_seconds = self.latency_seconds
        match fault.kind if fault else None:
            case FaultKind.DROP:
                raise Cut
            case FaultKind.HANG:
                await asyncio.Event().wait()
            case FaultKind.DELAY if fault:
                delay_seconds += fault.delay_seconds
        if delay_seconds and request.verb != "watch":  # a slow server does not hear that nobody waits any more
            late = asyncio.ensure_future(self._carry_out_late(request, account, fault, entry, delay_seconds))
            self._late.add(late)
            late.add_done_callback(self._forget_late)
            return await asyncio.shield(late)
        await asyncio.sleep(delay_seconds)
        return await self._carry_out(request, account, fault, entry)

    async def _carry_out_late(
        self, request: ApiRequest, account: Account, fault: Fault | None, entry: Recorded, delay_seconds: float
    ) -> web.StreamResponse:
        await asyncio.sleep(delay_seconds)
        return await self._carry_out(request, account, fault, entry)

    def _forget_late(self, late: asyncio.Task[web.StreamResponse]) -> None:
        self._late.discard(late)
        if not late.cancelled():
            late.exception()  # whoever waited has heard of it

    async def _carry_out(
        self, request: ApiRequest, account: Account, fault: Fault | None, entry: Recorded
    ) -> web.StreamResponse:
        if fault and fault.kind is FaultKind.ERROR:
            raise fault.to_error(request)
        account.check(request.verb, request.resource, request.subresource, request.namespace, request.name)
        if request.verb == "watch":
            return await self._watch(request, entry)
        response = self._api.perform(request)
        if fault and fault.kind is FaultKind.LOST_ANSWER:
            raise Cut
        return response

    async def _watch(self, request: ApiRequest, entry: Recorded) -> web.StreamResponse:
        stream = Watch(self._store, self._faults, request, self.bookmark_seconds)
        entry.status, entry.began = web.HTTPOk.status_code, True
        self.recorded.append(entry)
        self.under_way -= 1  # nobody waits for a stream to end
        running = asyncio.ensure_future(stream.run(request.http))
        self._streams.add(running)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if running.cancelled():  # by order of the test, and not with the connection
                raise Cut from None
            raise
        finally:
            running.cancel()
            self._streams.discard(running)
            self.under_way += 1

    def _discovery(self, path: str) -> Object | None:
        match [part for part in path.split("/") if part]:
            case ["version"]:
                return self._version
            case ["api"]:
                return {"kind": "APIVersions", "versions": ["v1"]}
            case ["apis"]:
                return self._resources.group_list()
            case ["api", version]:
                return self._resources.resource_list("", version)
            case ["apis", group, version]:
                return self._resources.resource_list(group, version)
        return None


def _note_target(entry: Recorded, http: web.Request, resources: Resources) -> None:
    """What a request that is turned away was about, as far as its path says."""
    try:
        request = parse_path(http, resources)
    except ApiError:
        return
    entry.verb, entry.resource = request.verb, request.asked
    entry.namespace, entry.name = request.namespace, request.name


def _error_response(error: ApiError) -> web.Response:
    headers = {} if error.retry_after_seconds is None else {"Retry-After": str(error.retry_after_seconds)}
    return web.json_response(error.to_status(), status=error.code, headers=headers)


def _cut(http: web.Request) -> web.StreamResponse:
    """Ends the connection with a TCP reset, as a crashed server or an impatient balancer does."""
    if http.transport is not None:
        connection = http.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        http.transport.abort()
    return web.Response(status=499)
