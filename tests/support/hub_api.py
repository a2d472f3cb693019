"""A stand-in for JupyterHub's API, as far as its services ask it: whose token is this, and who is in which group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

ACCESS = "access:services!service=perijove"

#: Every secret of these tests holds this word, so that one search finds what leaks.
CANARY = "canary"


def user_model(name: str, *groups: str, scopes: tuple[str, ...] = (ACCESS,), kind: str = "user") -> dict[str, Any]:
    """What the hub answers about a token's owner."""
    return {"kind": kind, "name": name, "groups": list(groups), "admin": False, "scopes": list(scopes)}


@dataclass
class FakeHub:
    """The tokens and users that the hub knows. ``fault`` makes it fail: a status, or what a bad hub does."""

    own_token: str = f"{CANARY}-control-own-token"
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: The tokens that logins get, by the code that the browser brings.
    codes: dict[str, str] = field(default_factory=dict)
    fault: int | Literal["drop", "slow", "html"] | None = None
    asked: list[str] = field(default_factory=list)
    #: The servers that run, by owner and name; what was asked to stop; and statuses that stops are answered with.
    servers: set[tuple[str, str]] = field(default_factory=set)
    stops: list[tuple[str, str]] = field(default_factory=list)
    stop_answers: dict[str, int] = field(default_factory=dict)
    url: str = ""

    def add(self, name: str, *groups: str, **more: Any) -> str:
        """Let a user have a token; the token."""
        token = f"{CANARY}-token-{len(self.tokens)}-{name}"
        self.tokens[token] = user_model(name, *groups, **more)
        return token

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(middlewares=[self._misbehave])
        app.router.add_get("/hub/api/user", self._user)
        app.router.add_post("/hub/api/oauth2/token", self._token)
        app.router.add_get("/hub/api/users/{name}", self._users)
        app.router.add_get("/hub/api/users", self._list)
        app.router.add_delete("/hub/api/users/{name}/server", self._stop)
        app.router.add_delete("/hub/api/users/{name}/servers/{server}", self._stop)
        return app

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(request.path)
        match self.fault:
            case "drop" if request.transport is not None:
                request.transport.abort()
            case "slow":
                await asyncio.sleep(60)
            case "html":
                return web.Response(text="<html>sign in</html>", content_type="text/html")
            case int():
                return web.json_response({"status": self.fault, "message": "ordered"}, status=self.fault)
        response: web.StreamResponse = await handler(request)
        return response

    def _owner(self, request: web.Request) -> dict[str, Any] | None:
        return self.tokens.get(request.headers.get("Authorization", "").removeprefix("token "))

    async def _user(self, request: web.Request) -> web.Response:
        owner = self._owner(request)
        if owner is None:
            return web.json_response({"status": 403, "message": "Missing or invalid credentials."}, status=403)
        return web.json_response(owner)

    async def _token(self, request: web.Request) -> web.Response:
        sent = await request.post()
        token = self.codes.get(str(sent["code"]))
        if token is None or "code_verifier" not in sent:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": token, "token_type": "Bearer"})

    async def _users(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"token {self.own_token}":
            return web.json_response({"status": 403, "message": "Forbidden"}, status=403)
        for model in self.tokens.values():
            if model["name"] == request.match_info["name"]:
                return web.json_response({"name": model["name"], "groups": model["groups"], "kind": "user"})
        return web.json_response({"status": 404, "message": "No such user"}, status=404)

    def _is_ours(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"token {self.own_token}"

    async def _list(self, request: web.Request) -> web.Response:
        """The users with servers, page by page, as a hub answers who can take pages."""
        if not self._is_ours(request):
            return web.json_response({"status": 403, "message": "Forbidden"}, status=403)
        assert request.query["state"] == "active"
        assert request.headers["Accept"] == "application/jupyterhub-pagination+json"
        running = {owner for owner, _ in self.servers}
        models = [model for model in self.tokens.values() if model["name"] in running]
        offset, limit = int(request.query["offset"]), min(int(request.query["limit"]), 200)
        more = {"offset": offset + limit, "limit": limit} if offset + limit < len(models) else None
        items = [{"name": model["name"], "groups": model["groups"]} for model in models[offset : offset + limit]]
        pagination = {"offset": offset, "limit": limit, "total": len(models), "next": more}
        return web.json_response({"items": items, "_pagination": pagination})

    async def _stop(self, request: web.Request) -> web.Response:
        if not self._is_ours(request):
            return web.json_response({"status": 403, "message": "Forbidden"}, status=403)
        owner, server = request.match_info["name"], request.match_info.get("server", "")
        self.stops.append((owner, server))
        if owner in self.stop_answers:
            return web.json_response({"status": self.stop_answers[owner]}, status=self.stop_answers[owner])
        if not any(model["name"] == owner for model in self.tokens.values()):
            return web.json_response({"status": 404, "message": "Not Found"}, status=404)
        self.servers.discard((owner, server))
        return web.Response(status=204)


@asynccontextmanager
async def running_hub() -> AsyncIterator[FakeHub]:
    """A hub that answers at ``url``, in the loop of the test."""
    hub = FakeHub()
    runner = web.AppRunner(hub.application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        hub.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hub/api"
        yield hub
    finally:
        await runner.cleanup()
