"""HTTP to one Dask Gateway: its own API, what it says beside it, and the dashboards behind it.

Only here a token goes to a gateway. It goes to the address that control has named and to no other: no redirect is
followed. Dashboards get no token and no cookie: behind them is a scheduler, which runs what its owner wants.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import aiohttp
from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError
from yarl import URL

from perijove.errors import NotFound, PerijoveError, Refused
from perijove.models import GatewayView
from perijove.models.gateways import ClusterNeed, GatewayCluster, GatewayClusters, KeepCluster, NeedRequest
from perijove.web import proxy_for

from .errors import GatewayUnavailable, NotAccepted, NotNow

#: How long a gateway may take: to tell what it has, and to do something.
TELL_SECONDS = 10.0
DO_SECONDS = 30.0
CONNECT_SECONDS = 3.0
#: A dashboard may be silent for so long in the middle of an answer.
SILENCE_SECONDS = 30.0
#: No answer of a gateway is longer, in bytes: a thousand clusters with the ends of their logs are shorter.
ANSWER_MAX_BYTES = 16 << 20
#: Words of a gateway are cut to so many characters.
WORDS_MAX_CHARS = 2000
#: Dask Gateway's route of a dashboard may not be there yet when the cluster runs already: tried again for so long.
ROUTE_SECONDS = 2.0
_ROUTE_PAUSE_SECONDS = 0.2
#: No message over a websocket of a dashboard is longer, in bytes; it is Bokeh's own limit.
MESSAGE_MAX_BYTES = 20 << 20
_PING_SECONDS = 30.0

Answer = TypeVar("Answer", bound=BaseModel)
_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


class _Redirected(aiohttp.ClientError):
    """An answer leads elsewhere."""


async def _refuse_redirect(*_: Any) -> NoReturn:
    raise _Redirected


def is_safe_address(address: str) -> bool:
    """Whether a token may go there: http or https, and nothing in it but host and path."""
    try:
        url = URL(address)
    except ValueError:
        return False
    plain = not (url.user or url.password or url.query_string or url.fragment)
    return url.scheme in ("http", "https") and bool(url.host) and plain


class GatewayClient:
    """One gateway, for one user.

    Args:
        view: the gateway as control names it; its address is safe.
        token: of this server.
    """

    def __init__(self, view: GatewayView, token: str) -> None:
        self.site = view.site
        self.title = view.title
        self.address = view.address.rstrip("/")
        self._token = token
        # it answers with a cookie, which spares it to ask the hub about each request
        self._api = _session(aiohttp.CookieJar(unsafe=True), {"Authorization": f"jupyterhub {token}"})
        self._dashboards = _session(aiohttp.DummyCookieJar(), {})
        #: The clusters whose dashboard has answered: their routes are there.
        self._routed: set[str] = set()

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()
        await self._dashboards.close()

    async def clusters(self) -> GatewayClusters:
        """The caller's clusters, newest first.

        Raises:
            PerijoveError: refused, or the gateway does not answer; so in all that follows.
        """
        data = await self._ask("GET", "/api/perijove/v1/clusters", TELL_SECONDS)
        return self._parsed(GatewayClusters, data)

    async def options(self) -> list[JsonValue]:
        """Its options, as Dask Gateway describes them."""
        said = self._json(await self._ask("GET", "/api/v1/options", TELL_SECONDS))
        options = said.get("cluster_options") if isinstance(said, dict) else None
        if not isinstance(options, list):
            raise self._not_understood()
        return options

    async def needs(self, options: dict[str, JsonValue]) -> ClusterNeed:
        """What a cluster with these options would hold.

        Raises:
            NotAccepted: an option cannot be; the gateway's own words.
        """
        asked = NeedRequest(cluster_options=options).model_dump(mode="json")
        return self._parsed(ClusterNeed, await self._ask("POST", "/api/perijove/v1/needs", TELL_SECONDS, asked))

    async def create(self, options: dict[str, JsonValue]) -> str:
        """Start a cluster; its name. It is asked once: a second time would make a second one.

        Raises:
            NotAccepted: an option cannot be, or a limit is in the way; the gateway's own words.
        """
        try:
            data = await self._ask("POST", "/api/v1/clusters/", DO_SECONDS, {"cluster_options": options})
        except GatewayUnavailable as error:
            raise GatewayUnavailable(f"{error.detail} The cluster may start all the same: look at the list.") from None
        said = self._json(data)
        name = said.get("name") if isinstance(said, dict) else None
        if not isinstance(name, str):
            raise self._not_understood()
        return name

    async def wait(self, name: str) -> None:
        """Wait until a cluster has started or is over, for 20 seconds at most, as Dask Gateway does."""
        # the answer holds the keys of the cluster: it is dropped
        await self._ask("GET", f"/api/v1/clusters/{name}?wait", DO_SECONDS, about=name)

    async def scale(self, name: str, workers: int) -> str | None:
        """Ask for so many workers; what the gateway says if it does not do all of it."""
        return await self._change(name, "scale", {"count": workers})

    async def adapt(self, name: str, minimum: int, maximum: int) -> str | None:
        """Let the cluster choose between so many workers; what the gateway says if it does not do all of it."""
        return await self._change(name, "adapt", {"minimum": minimum, "maximum": maximum, "active": True})

    async def stop(self, name: str) -> None:
        """Stop a cluster. One that is over already is no error."""
        await self._ask("DELETE", f"/api/v1/clusters/{name}", DO_SECONDS, about=name)

    async def keep(self, name: str, asked: KeepCluster) -> GatewayCluster:
        """Do not stop it for being idle for a while."""
        path, body = f"/api/perijove/v1/clusters/{name}/keep", asked.model_dump(mode="json")
        return self._parsed(GatewayCluster, await self._ask("POST", path, DO_SECONDS, body, about=name))

    async def plots(self, name: str) -> dict[str, JsonValue]:
        """The plots of a scheduler's dashboard: their paths by their titles."""
        url = self.dashboard_url(name, "individual-plots.json", "")
        try:
            async with asyncio.timeout(TELL_SECONDS):
                response = await self.dashboard("GET", name, url, {"Accept": "application/json"})
                async with response:
                    if response.status != 200:
                        raise GatewayUnavailable(f"The dashboard of {name} does not tell its plots yet.")
                    said = self._json(await _bounded(response))
        except TimeoutError:
            raise GatewayUnavailable(f"The dashboard of {name} did not answer in time.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, PerijoveError):
                raise
            raise GatewayUnavailable(f"The dashboard of {name} cannot be read.") from None
        if not isinstance(said, dict):
            raise self._not_understood()
        return said

    def dashboard_url(self, name: str, path: str, query: str) -> URL:
        """Where a page of a dashboard is; path and query are encoded already."""
        return URL(f"{self.address}/clusters/{name}/{path}" + (f"?{query}" if query else ""), encoded=True)

    async def dashboard(self, method: str, name: str, url: URL, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Ask a dashboard; the answer is the caller's to read and to close."""
        loop = asyncio.get_running_loop()
        until = loop.time() + ROUTE_SECONDS
        try:
            while True:
                response = await self._dashboards.request(
                    method, url, headers=headers, allow_redirects=False, proxy=_proxy(url)
                )
                if response.status != 404 or name in self._routed or loop.time() > until:
                    break
                response.close()
                await asyncio.sleep(_ROUTE_PAUSE_SECONDS)
        except (aiohttp.ClientError, OSError, ValueError):
            raise GatewayUnavailable(f"The dashboard of {name} at {self.title} does not answer.") from None
        if response.status < 400:
            self._routed.add(name)
        return response

    async def dashboard_socket(
        self, name: str, url: URL, headers: Mapping[str, str], protocols: Sequence[str]
    ) -> aiohttp.ClientWebSocketResponse:
        """Open a websocket to a dashboard, with the subprotocols that the browser offers."""
        loop = asyncio.get_running_loop()
        until = loop.time() + ROUTE_SECONDS
        while True:
            try:
                async with asyncio.timeout(TELL_SECONDS):
                    return await self._dashboards.ws_connect(
                        url,
                        headers=headers,
                        protocols=protocols,
                        origin=str(url.origin()),
                        heartbeat=_PING_SECONDS,
                        max_msg_size=MESSAGE_MAX_BYTES,
                        proxy=_proxy(url),
                    )
            except aiohttp.WSServerHandshakeError as error:
                if error.status == 404 and name not in self._routed and loop.time() < until:
                    await asyncio.sleep(_ROUTE_PAUSE_SECONDS)
                    continue
                if error.status == 404:
                    raise NotFound("There is no such page in this dashboard.") from None
                raise GatewayUnavailable(f"The dashboard of {name} opens no connection ({error.status}).") from None
            except (aiohttp.ClientError, OSError, ValueError):  # and no answer in time
                raise GatewayUnavailable(f"The dashboard of {name} at {self.title} does not answer.") from None

    async def _change(self, name: str, what: str, body: dict[str, JsonValue]) -> str | None:
        said = self._json(await self._ask("POST", f"/api/v1/clusters/{name}/{what}", DO_SECONDS, body, about=name))
        if not isinstance(said, dict):
            raise self._not_understood()
        message = said.get("msg")
        return self._words(message) if isinstance(message, str) and message else None

    async def _ask(
        self, method: str, path: str, seconds: float, body: dict[str, Any] | None = None, about: str | None = None
    ) -> bytes:
        """Send one request to the gateway; ``about`` is the cluster that it is about."""
        url = URL(f"{self.address}{path}", encoded=True)
        try:
            async with (
                asyncio.timeout(seconds),
                self._api.request(method, url, json=body, allow_redirects=False, proxy=_proxy(url)) as response,
            ):
                status, data = response.status, await _bounded(response)
        except aiohttp.ConnectionTimeoutError:
            raise GatewayUnavailable(f"{self._name} cannot be reached.") from None
        except TimeoutError:
            raise GatewayUnavailable(f"{self._name} did not answer within {seconds:g} s.") from None
        except _TooLong:
            raise GatewayUnavailable(f"{self._name} answers with more than {ANSWER_MAX_BYTES >> 20} MiB.") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise GatewayUnavailable(f"{self._name} cannot be reached.") from None
        if 200 <= status < 300:
            return data
        raise self._refusal(status, data, about)

    def _refusal(self, status: int, data: bytes, about: str | None) -> PerijoveError:
        words = self._words_of(data)
        if status < 400:
            return GatewayUnavailable(f"{self._name} answers with a redirect, which is not followed.")
        if about is not None and status in (403, 404):  # whose it is, nobody is told
            return NotFound(f"There is no cluster {about} of yours at {self.title}.")
        if status in (401, 403):
            return Refused(f"{self._name} does not let you in." + (f" It says: {words}" if words else ""))
        if status == 404:
            return GatewayUnavailable(f"{self._name} does not know what was asked: it may be older than this image.")
        if status == 409:
            return NotNow(words or f"{self._name} cannot do this now.")
        if status < 500 and status != 429:
            return NotAccepted(words or f"{self._name} does not accept this ({status}).")
        return GatewayUnavailable(f"{self._name} has trouble of its own ({status})." + (f" {words}" if words else ""))

    def _words_of(self, data: bytes) -> str | None:
        """The sentence in an error of a gateway, if it is one."""
        try:
            said = _JSON.validate_json(data)
        except ValidationError:
            return None
        words = said.get("error") if isinstance(said, dict) else None
        return self._words(words) if isinstance(words, str) and words.strip() else None

    def _words(self, text: str) -> str:
        """Words of a gateway as they may be shown: they never hold the token, whatever it has done with it."""
        plain = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text.strip())
        return (plain.replace(self._token, "…") if self._token else plain)[:WORDS_MAX_CHARS]

    def _json(self, data: bytes) -> JsonValue:
        try:
            return _JSON.validate_json(data)
        except ValidationError:
            raise self._not_understood() from None

    def _parsed(self, model: type[Answer], data: bytes) -> Answer:
        try:
            return model.model_validate_json(data)
        except ValidationError:
            raise self._not_understood() from None

    def _not_understood(self) -> GatewayUnavailable:
        return GatewayUnavailable(f"{self._name} answers with something that is not understood.")

    @property
    def _name(self) -> str:
        return f"The Dask Gateway of {self.title}"


class _TooLong(aiohttp.ClientError):
    """An answer is longer than any that is expected."""


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ANSWER_MAX_BYTES:
            raise _TooLong
    return bytes(body)


def _session(jar: aiohttp.abc.AbstractCookieJar, headers: dict[str, str]) -> aiohttp.ClientSession:
    """Answers are taken as they come: packed ones are passed on to browsers, and not asked for otherwise."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_redirect)  # a websocket's handshake would follow one
    return aiohttp.ClientSession(
        cookie_jar=jar,
        headers=headers,
        auto_decompress=False,
        connector=aiohttp.TCPConnector(limit=256),
        skip_auto_headers=("Accept-Encoding", "User-Agent"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
        trace_configs=[trace],
    )


def _proxy(url: URL) -> str | None:
    return proxy_for("https" if url.scheme in ("https", "wss") else "http", url.host or "")
