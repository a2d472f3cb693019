"""``dask/clusters/{gateway}/{name}/dashboard/…``: the dashboard of a cluster, for its owner.

A scheduler's dashboard has no login: who knows the name of a cluster may look. So it is reached through here, where
the user has signed in, and only that of a cluster which its gateway names as the user's own. Not by
jupyter-server-proxy: of that, half would have to be replaced (it sends cookies and tokens on, knows neither https nor
prefixes, takes all methods without XSRF checks), and what is left is this file.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import Any

import aiohttp
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..base import sentences
from .dashboard_rules import (
    SOCKET_HEADERS,
    check_page,
    check_protocols,
    headers_back,
    headers_upstream,
    location_back,
    query_upstream,
)
from .errors import GatewayUnavailable
from .gateway_client import MESSAGE_MAX_BYTES, GatewayClient
from .handlers import DaskHandler
from .merge import FIRST_PAGE
from .names import check_cluster_name, check_gateway_name

#: A browser that has gone without a word is noticed after about twice this, in seconds.
PING_SECONDS = 30.0

_PAGE = re.compile(r"/perijove/dask/clusters/[^/]+/[^/]+/dashboard(?:/(.*))?")
#: Codes that may be sent in a close frame.
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})


class DashboardHandler(DaskHandler, WebSocketHandler):
    """GET, HEAD and websockets, streamed both ways."""

    #: A dashboard draws all the time by itself.
    _track_activity = False

    def initialize(self) -> None:
        """Nothing is open yet."""
        self._upstream: aiohttp.ClientWebSocketResponse | None = None
        self._down: asyncio.Task[None] | None = None

    @property
    def content_security_policy(self) -> str:
        """Bokeh writes scripts into its pages; nothing from elsewhere is run, shown or told."""
        # not Jupyter's own word: under a hub that is "none", and the Lab shows this page in a frame
        return (
            "frame-ancestors 'self'; default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
            "object-src 'none'; base-uri 'self'; form-action 'self'"
        )

    async def prepare(self) -> None:  # type: ignore[override]  # as Jupyter's own does
        """Refuse pages of others, websockets or not, as what they are."""
        try:
            await super().prepare()
        except web.HTTPError as error:
            if error.status_code == HTTPStatus.NOT_FOUND:
                raise web.HTTPError(403, "A page of another site may not look at this.") from None
            raise

    def check_origin(self, origin: str = "") -> bool:
        """Jupyter's own rule, for all that is answered here."""
        return bool(DaskHandler.check_origin(self, origin))

    @web.authenticated
    @sentences
    async def get(self, gateway: str, name: str, _: str | None = None) -> None:  # type: ignore[override]  # by the decorator
        """A page, or a websocket."""
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            await self._open_socket(gateway, name)
        else:
            await self._answer(gateway, name)

    @web.authenticated
    @sentences
    async def head(self, gateway: str, name: str, _: str | None = None) -> None:
        """The headers of a page."""
        await self._answer(gateway, name)

    def options(self, *_: Any) -> None:
        """Pages of others have nothing to ask for here."""
        raise web.HTTPError(405)

    async def _answer(self, gateway: str, name: str) -> None:
        client, page = await self._find(gateway, name)
        if not page:
            self.redirect(self._ours(gateway, name) + FIRST_PAGE)
            return
        url = client.dashboard_url(name, page, query_upstream(self.request.query))
        headers = headers_upstream(self.request.headers.get_all())
        async with await client.dashboard(str(self.request.method), name, url, headers) as response:
            self.set_status(response.status)
            for header, value in headers_back(response.headers).items():
                self.set_header(header, value)
            self.set_header("Cache-Control", "private, no-cache")
            self.set_header("Cross-Origin-Resource-Policy", "same-origin")  # as a script or picture of another site
            if 300 <= response.status < 400 and response.status != HTTPStatus.NOT_MODIFIED:
                upstream = str(client.dashboard_url(name, "", ""))
                location = response.headers.get("Location", "")
                leads_to = location_back(location, str(url), upstream, self._ours(gateway, name))
                if leads_to is None:
                    raise GatewayUnavailable("The dashboard leads elsewhere, which is not followed.")
                self.clear_header("Content-Length")
                self.set_header("Location", leads_to)
                self._finish(response)
                return
            await self._pass_on(response)

    async def _pass_on(self, response: aiohttp.ClientResponse) -> None:
        """Stream the body; whoever reads slowly is waited for."""
        try:
            if self.request.method != "HEAD":
                async for piece in response.content.iter_any():
                    self.write(piece)
                    await self.flush()
        except StreamClosedError:
            return  # the reader has gone
        except (aiohttp.ClientError, OSError):
            raise GatewayUnavailable("The dashboard broke off in the middle of its answer.") from None
        self._finish(response)

    def _finish(self, response: aiohttp.ClientResponse) -> None:
        self.finish(set_content_type=response.headers.get("Content-Type", "application/octet-stream"))

    def compute_etag(self) -> None:
        """Ours is the dashboard's."""
        return

    async def _find(self, gateway: str, name: str) -> tuple[GatewayClient, str]:
        """The way to the dashboard, if it is the user's own, and the page that is asked for, as it came."""
        check_gateway_name(gateway)
        check_cluster_name(name)
        found = _PAGE.search(self.request.path)
        page = check_page((found[1] or "") if found else "")
        return await self.dask.dashboard_of(gateway, name), page

    def _ours(self, gateway: str, name: str) -> str:
        return f"{url_path_join(self.base_url, 'perijove/dask/clusters', gateway, name, 'dashboard')}/"

    # Websockets

    @property
    def ping_interval(self) -> float:
        """How often a browser is asked whether it is still there, in seconds."""
        return PING_SECONDS

    @property
    def max_message_size(self) -> int:
        """The longest message that is taken from a browser, in bytes."""
        return MESSAGE_MAX_BYTES

    async def _open_socket(self, gateway: str, name: str) -> None:
        """Open the dashboard's end first, which chooses a subprotocol; then ours, until one of them ends."""
        if not self.check_origin():
            raise web.HTTPError(403, "A page of another site may not look at this.")
        protocols = check_protocols(self.request.headers.get("Sec-WebSocket-Protocol", ""))
        client, page = await self._find(gateway, name)
        url = client.dashboard_url(name, page, query_upstream(self.request.query))
        headers = headers_upstream(self.request.headers.get_all(), SOCKET_HEADERS)
        self._upstream = await client.dashboard_socket(name, url, headers, protocols)
        try:
            await WebSocketHandler.get(self)
        finally:
            if self._down is not None:
                self._down.cancel()
                await asyncio.gather(self._down, return_exceptions=True)
            await self._upstream.close(code=_code(self.close_code))

    def select_subprotocol(self, _: list[str]) -> str | None:
        """What the dashboard has chosen."""
        return self._upstream.protocol if self._upstream is not None else None

    def open(self, *_: str, **__: str) -> None:
        """Begin to pass on what the dashboard says."""
        self._down = asyncio.create_task(self._pass_down(), name="frames of a dashboard")

    async def on_message(self, message: str | bytes) -> None:
        """Pass on what the browser says; the next is read when this has been taken."""
        upstream = self._upstream
        if upstream is None or upstream.closed:
            return
        try:
            await (upstream.send_str(message) if isinstance(message, str) else upstream.send_bytes(message))
        except (aiohttp.ClientError, OSError, RuntimeError):  # it is closing
            self.close(1001)

    async def _pass_down(self) -> None:
        upstream = self._upstream
        if upstream is None:
            return
        try:
            async for message in upstream:
                if message.type is aiohttp.WSMsgType.TEXT:
                    await self.write_message(message.data)
                elif message.type is aiohttp.WSMsgType.BINARY:
                    await self.write_message(message.data, binary=True)
                else:
                    break
        except (WebSocketClosedError, StreamClosedError):
            return  # the browser has gone
        except (aiohttp.ClientError, OSError) as error:
            self.log.debug("a dashboard broke off: %s", type(error).__name__)
        self.close(_code(upstream.close_code, broken=1001))


def _code(code: int | None, broken: int = 1000) -> int:
    return code if code is not None and code in _CLOSE_CODES else broken


ROUTES = [(r"/perijove/dask/clusters/([^/]+)/([^/]+)/dashboard(?:/(.*))?", DashboardHandler)]
