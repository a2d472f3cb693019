"""The control service as it is, over HTTP, with only the hub behind it a stand-in."""

from __future__ import annotations

import io
import json
import logging
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from jupyterhub.httpclient import JupyterHubHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from yarl import URL

from perijove_hub.admission.client import HUB_SECRET
from perijove_hub.web.auth import ADMIN_SCOPE
from perijove_hub.web.base import BaseHandler, problem_error
from perijove_hub.web.control import LARGEST_BODY_BYTES, ControlOptions, make_app, make_state
from perijove_hub.web.state import ControlState

from .hub_api import ACCESS, CANARY, FakeHub, running_hub
from .platforms import FakeClock, dataset, ledger_url, platform, replica

PREFIX = "/services/perijove/"
SECRET = f"{CANARY}-hub-to-control"
STORE_SECRET = f"{CANARY}-store-secret"


def gateway_secret(name: str) -> str:
    """What a gateway calls itself with, whose secret has this name."""
    return f"{CANARY}-gateway-{name}"


@dataclass(frozen=True)
class Answer:
    """What control answered; ``body`` is its JSON, or its text when it is none."""

    status: int
    headers: dict[str, str]
    body: Any
    text: str

    @property
    def detail(self) -> str:
        """The sentence of a problem."""
        assert self.headers["Content-Type"] == "application/problem+json", self.text
        assert self.body["status"] == self.status
        assert self.body["title"]
        return str(self.body["detail"])


@dataclass
class ControlBed:
    """A running control, its hub, and the tokens of some people."""

    url: str
    app: Application
    state: ControlState
    hub: FakeHub
    clock: FakeClock
    http: aiohttp.ClientSession
    ana: str = ""
    bob: str = ""

    @property
    def service_url(self) -> str:
        """Where kernels and servers of users ask it."""
        return f"{self.url}{PREFIX}".rstrip("/")

    admin: str = ""
    texts: list[str] = field(default_factory=list)

    async def call(
        self,
        method: str,
        path: str,
        token: str | None = None,
        *,
        body: Any = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        """One request below the API; a path that starts with a slash is taken as it is."""
        target = path if path.startswith("/") else f"{PREFIX}api/v1/{path}"
        if query:
            target += "?" + urlencode(query, doseq=True)
        sent = {"Authorization": f"token {token}"} if token else {}
        if data is None and body is not None:
            data = json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        url = URL(self.url + target, encoded=True)
        async with self.http.request(
            method, url, data=data and io.BytesIO(data), headers=sent | (headers or {}), allow_redirects=False
        ) as response:
            text = await response.text(errors="replace")
            self.texts.append(text)
            kind = response.headers.get("Content-Type", "")
            parsed = json.loads(text) if "json" in kind and text else text
            return Answer(response.status, dict(response.headers), parsed, text)

    async def get(self, path: str, token: str | None = None, **query: Any) -> Answer:
        """A GET."""
        return await self.call("GET", path, token, **query)

    @contextmanager
    def out_of_order(self) -> Iterator[None]:
        """It answers 503 to everybody."""

        async def refuse(handler: BaseHandler) -> None:
            raise problem_error(503, "Out of order", "This control is out of order.")

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(BaseHandler, "prepare", refuse)
            yield

    async def start(self, owner: str, *groups: str, site: str = "esac", **wish: Any) -> dict[str, Any]:
        """A session of ``owner`` that is active, as the hub gets it; the offer."""
        asked = {"owner": owner, "groups": groups, "kind": "session", "attempt_id": uuid.uuid4().hex, **wish}
        offer = await self.call("POST", "leases", SECRET, body=asked)
        assert offer.status == 201, offer.text
        for patch in ({"state": "starting", "site": site}, {"state": "active"}):
            assert (await self.call("PATCH", f"leases/{offer.body['id']}", SECRET, body=patch)).status == 200
        return dict(offer.body)


def write_control_files(directory: Path, endpoint: str, ledger: str | None = None, **parts: Any) -> ControlOptions:
    """A platform file, the secrets and a ledger in ``directory``, unless the ledger is at another address."""
    sts = {"kind": "sts", "secret": "store"}
    private = {"endpoint": endpoint, "credentials": sts}
    policy = platform(
        **{
            "datasets": {
                "euclid-demo": dataset(replica(site="esac", **private), replica(site="cloud-eu", **private)),
                "open-sky": dataset(replica(site="esac", endpoint=endpoint, url="s3://open/"), title="Open sky"),
                "proxied-data": dataset(replica(site="esac", **private), delivery="proxied"),
                "staff-only": dataset(replica(site="esac", **private), groups=["staff"]),
            },
            **parts,
        }
    )
    (directory / "perijove.yaml").write_text(policy.model_dump_json())
    secrets = directory / "secrets"
    secrets.mkdir()
    key = json.dumps({"access_key_id": "control", "secret_access_key": STORE_SECRET})
    gateways = [each.dask.secret for each in policy.sites.values() if each.dask is not None]
    for name, text in ((HUB_SECRET, SECRET), ("store", key), *((name, gateway_secret(name)) for name in gateways)):
        (secrets / name).write_text(text)
        (secrets / name).chmod(0o600)
    return ControlOptions(directory / "perijove.yaml", ledger or ledger_url(directory), secrets, "127.0.0.1", 0)


@asynccontextmanager
async def running_control(
    directory: Path,
    caplog: pytest.LogCaptureFixture,
    endpoint: str = "http://127.0.0.1:9",
    ledger: str | None = None,
    clock: FakeClock | None = None,
    **parts: Any,
) -> AsyncIterator[ControlBed]:
    """Control on a free port, on a clock that stands still unless another is given.

    At the end: no secret and no traceback was in any answer or log.
    """
    caplog.set_level(logging.INFO)
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(running_hub())
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        patched.setenv("JUPYTERHUB_API_URL", hub.url)
        patched.setenv("JUPYTERHUB_API_TOKEN", hub.own_token)
        patched.setenv("JUPYTERHUB_CLIENT_ID", "service-perijove")
        patched.setenv("JUPYTERHUB_SERVICE_PREFIX", PREFIX)
        patched.setenv("JUPYTERHUB_BASE_URL", "/")
        clock = clock or FakeClock()
        state = make_state(write_control_files(directory, endpoint, ledger, **parts), clock)
        stack.push_async_callback(state.database.close)
        assert state.callers.hub_auth.api_token == hub.own_token  # read now: a test may make this process a kernel
        app = make_app(state, PREFIX)
        server = HTTPServer(app, max_body_size=LARGEST_BODY_BYTES)
        socket, port = bind_unused_port()
        server.add_socket(socket)
        stack.push_async_callback(server.close_all_connections)
        stack.callback(server.stop)
        stack.push_async_callback(JupyterHubHTTPClient.loop_instance().close)
        http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        bed = ControlBed(f"http://127.0.0.1:{port}", app, state, hub, clock, http)
        bed.ana, bed.bob = hub.add("ana", "astro"), hub.add("bob", "staff")
        bed.admin = hub.add("root", scopes=(ACCESS, ADMIN_SCOPE))
        yield bed
    _nothing_leaked(bed, caplog)


def _nothing_leaked(bed: ControlBed, caplog: pytest.LogCaptureFixture) -> None:
    formatter = logging.Formatter()
    logged = [f"{formatter.format(record)} {record.__dict__}" for record in caplog.get_records("call")]
    for text in [*bed.texts, *logged]:
        assert CANARY not in text
    assert not [text for text in bed.texts if "Traceback" in text or 'File "' in text]
