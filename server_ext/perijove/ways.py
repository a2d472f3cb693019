"""What carries requests to stores, each made when it is first needed: imports and sessions take their time.

None of them has the token of control or cookies: they go to servers of others, at addresses that control has named.
"""

from __future__ import annotations

import asyncio
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import aiohttp

    from .connections import Connections
    from .places import Allowed

#: Seconds to reach a service, and to wait for each part of its answer.
TIMEOUT = httpx.Timeout(20.0, connect=3.0)


class StoreWays:
    """The clients of stores of one event loop."""

    def __init__(self) -> None:
        #: That the sessions belong to, once there are any.
        self.loop: asyncio.AbstractEventLoop | None = None
        self._stores: aiohttp.ClientSession | None = None
        self._archives: dict[Allowed, aiohttp.ClientSession] = {}
        self._pages: httpx.AsyncClient | None = None
        self._connections: Connections | None = None

    def pages(self) -> httpx.AsyncClient:
        """Carries signed requests for pages of listings. Making one takes 20 ms."""
        if self._pages is None:
            no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
            self._pages = httpx.AsyncClient(timeout=TIMEOUT, cookies=no_cookies)
        return self._pages

    def stores(self) -> aiohttp.ClientSession:
        """Carries looks at objects of stores, wherever these are: the platform file names them."""
        if self._stores is None:
            self._stores = self._new_session(None)
        return self._stores

    def archives(self, allowed: Allowed) -> aiohttp.ClientSession:
        """Carries reads of archives, to no private place but that."""
        if allowed not in self._archives:
            self._archives[allowed] = self._new_session(allowed)
        return self._archives[allowed]

    def _new_session(self, allowed: Allowed | None) -> aiohttp.ClientSession:
        from .web import new_session  # brings in obstore, which lists of datasets do without

        self.loop = asyncio.get_running_loop()
        return new_session(allowed)

    def connections(self) -> Connections:
        """The plain way, for what is short."""
        if self._connections is None:
            from .connections import Connections  # brings in aiohttp, too

            self._connections = Connections()
        return self._connections

    async def close_ways(self) -> None:
        """Close their connections."""
        if self._connections is not None:
            self._connections.close()
        for session in (self._stores, *self._archives.values()):
            if session is not None:
                await session.close()
        if self._pages is not None:
            await self._pages.aclose()
