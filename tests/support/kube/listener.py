"""Where the bed listens: it can stop and begin again at the same port, as a server that was away."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from .certificates import ServerIdentity


class Listener:
    """Serves an application on loopback. ``port`` 0 takes a free one, which is kept from then on."""

    def __init__(self, make_app: Callable[[], web.Application], port: int, identity: ServerIdentity | None) -> None:
        self.port = port
        self._make_app = make_app
        self._context = identity.to_context() if identity else None
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Begins to listen."""
        if self._runner is not None:
            return
        app = self._make_app()
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._context, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Refuses connections, and cuts those that are there."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
