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
    fault: int | Literal["drop", "slow", "html"] | None = None
    asked: list[str] = field(default_factory=list)
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
        app.router.add_get("/hub/api/users/{name}", self._users)
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

    async def _users(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"token {self.own_token}":
            return web.json_response({"status": 403, "message": "Forbidden"}, status=403)
        for model in self.tokens.values():
            if model["name"] == request.match_info["name"]:
                return web.json_response({"name": model["name"], "groups": model["groups"], "kind": "user"})
        return web.json_response({"status": 404, "message": "No such user"}, status=404)


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
