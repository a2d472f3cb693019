"""A platform for what is measured of clusters: control, three Dask Gateways and a user's server, all of them processes.

Control and the gateways are as in the demo, with its settings, and control's ledger is on PostgreSQL. They are not in
the loop of the measurement, whose own work would be in their figures; only the hub is, a stand-in that is asked whose
token it is, once in a while.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import psutil
from dask_gateway import Gateway
from dask_gateway.auth import JupyterHubAuth

from benchmarks import loop_lag
from benchmarks.measure import ROOT
from benchmarks.processes import ControlService, Processes
from perijove_demo.gateways import DaskSite
from perijove_demo.ports import free_ports
from perijove_hub.policy.models import Platform
from tests.support.dask_gateway import GatewayBed
from tests.support.hub_api import ACCESS, running_hub
from tests.support.jupyter import SERVER_TOKEN, JupyterServer, jupyter_server

if TYPE_CHECKING:
    from benchmarks.run import Bench

SITES = ("near", "far", "third")
#: A question to a Jupyter server; starts wait for 20 s at most, and then once more.
ANSWER_SECONDS = 60.0
OVER_SECONDS = 40.0


class NotebookGateway(Gateway):  # type: ignore[misc]  # published without types
    """Dask Gateway's own client, which would close once more when it is collected, and fail when it has been closed."""

    def __del__(self) -> None:
        """Whoever made it closes it."""


@dataclass
class Browser:
    """Chromium, which :file:`canvas.mjs` drives."""

    process: subprocess.Popen[str]
    log_path: Path

    async def answer(self) -> dict[str, Any]:
        """What it says next.

        Raises:
            RuntimeError: it has ended without an answer.
        """
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        line = await asyncio.to_thread(self.process.stdout.readline)
        if not line:
            raise RuntimeError(f"The browser has ended: {self.log_path.read_text()[-2000:]}")
        said: dict[str, Any] = json.loads(line)
        return said

    def no_more(self) -> None:
        """Let it close what it keeps open, and tell of it."""
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        self.process.stdin.close()

    def end(self) -> None:
        """End it."""
        self.no_more()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@dataclass
class ComputeBed:
    """All of it. ``lag_path`` and ``empty_path`` are where the server's loop and an empty one tell their waits."""

    directory: Path
    server: JupyterServer
    gateways: dict[str, GatewayBed]
    token: str
    lag_path: Path
    empty_path: Path
    #: The clusters that run all the time, one at each gateway.
    clusters: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What the Lab asks the server, in a thread.

        Raises:
            RuntimeError: it was refused.
        """
        answer = await asyncio.to_thread(self.server.http.request, method, path, json=body)
        if answer.status_code >= 400:
            raise RuntimeError(f"{method} {path} was refused: {answer.text[:500]}")
        return answer.json()

    async def listed(self, name: str) -> dict[str, Any]:
        """A cluster as the list has it."""
        items = (await self.ask("GET", "dask/clusters"))["items"]
        found: dict[str, Any] = next((each for each in items if each["name"] == name), {})
        return found

    async def until_over(self, site: str, name: str) -> None:
        """Wait until nothing of a cluster runs."""
        await self.gateways[site].wait(self.token, name, lambda each: bool(each["ended"]), OVER_SECONDS)

    def client(self, site: str, *, asynchronous: bool = False) -> NotebookGateway:
        """A gateway as a notebook has it that knows its address."""
        told, auth = self.gateways[site].told, JupyterHubAuth(api_token=self.token)
        return NotebookGateway(told.address, told.proxy_address, auth=auth, asynchronous=asynchronous)

    def dashboard(self, site: str) -> dict[str, str]:
        """Where the first page of the dashboard of the site's cluster is: through our server, and at the gateway."""
        name = self.clusters[site]
        return {
            "ours": f"{self.server.url}perijove/dask/clusters/{site}/{name}/dashboard/status",
            "gateway": f"{self.gateways[site].told.address}/clusters/{name}/status",
        }

    @contextmanager
    def browser(self, **told: Any) -> Iterator[Browser]:
        """Chromium that does what it is told."""
        log_path, login = self.directory / "browser.log", f"{self.server.url}api/me?token={SERVER_TOKEN}"
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                ["node", str(ROOT / "benchmarks/canvas.mjs")],  # noqa: S607 - whichever node is on the path
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
            )  # fmt: skip
        browser = Browser(process, log_path)
        try:
            assert process.stdin is not None  # noqa: S101 - it is a pipe
            process.stdin.write(json.dumps({**told, "login": login}) + "\n")
            process.stdin.flush()
            yield browser
        finally:
            browser.end()

    @contextmanager
    def hung(self, site: str) -> Iterator[None]:
        """A gateway and its proxy take connections and never answer."""
        process = self.gateways[site].process
        assert process is not None  # noqa: S101 - it runs
        proxies = [each for each in psutil.Process(process.pid).children() if "dask-gateway-proxy" in each.name()]
        pids = [process.pid, *(each.pid for each in proxies)]
        if len(pids) != 2:
            raise RuntimeError(f"The gateway {site} has {len(proxies)} proxies: one was expected")
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def compute_bed(bench: Bench) -> AsyncIterator[ComputeBed]:
    """The bed, with a cluster at each gateway."""
    directory = bench.new_directory("compute")
    (directory / "secrets").mkdir()
    ports = {site: free_ports(2) for site in SITES}
    told = {site: f"127.0.0.1:{pair[1]}" for site, pair in ports.items()}
    for site in SITES:
        _write_secret(directory / "secrets" / f"dask-{site}")
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(running_hub())
        processes = stack.enter_context(Processes(directory))
        control = await asyncio.to_thread(
            ControlService, processes, _platform(told), bench.postgres.ledger(), 1, hub.url, hub.own_token
        )
        control_url = f"{control.urls[0]}/services/perijove"
        timeout = aiohttp.ClientTimeout(total=30)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout)
        )
        gateways = {}
        for site in SITES:
            gateways[site] = GatewayBed(
                DaskSite(
                    site,
                    directory / site,
                    api_port=ports[site][0],
                    port=ports[site][1],
                    control_url=control_url,
                    public_control_url=control_url,
                    hub_api_url=hub.url,
                    secret_path=directory / "secrets" / f"dask-{site}",
                    encrypt_key=base64.b64encode(secrets.token_bytes(32)).decode(),
                ),
                directory / f"{site}.log",
                http,
            )
            stack.push_async_callback(asyncio.to_thread, gateways[site].stop)
            await gateways[site].start()
        scopes = (ACCESS, *(f"access:services!service=dask-{site}" for site in SITES))
        token = hub.add("ana", "astro", scopes=scopes)
        lag_path, empty_path = directory / "waits", directory / "waits-of-an-empty-loop"
        processes.start("empty-loop", [sys.executable, "-m", "benchmarks.loop_lag", str(empty_path)])
        (directory / "server").mkdir()
        environment = {
            "PERIJOVE_CONTROL_URL": control_url,
            "JUPYTERHUB_API_TOKEN": token,
            "PERIJOVE_SITE": SITES[0],
            "PERIJOVE_CURRENCY": "EUR",
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "server_ext", ROOT))),
            loop_lag.FILE_VARIABLE: str(lag_path),
        }
        server = stack.enter_context(
            jupyter_server(directory / "server", environment, extensions=("benchmarks.loop_lag",), log_level="INFO")
        )
        server.http.timeout = httpx.Timeout(ANSWER_SECONDS)
        bed = ComputeBed(directory, server, gateways, token, lag_path, empty_path)
        for site in SITES:
            bed.clusters[site] = await gateways[site].running(token)
        yield bed


def _write_secret(path: Path) -> None:
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(16))


def _platform(addresses: dict[str, str]) -> Platform:
    """Three sites with room for all that is asked for, and the limits that every start is held to."""
    sites = {
        site: {
            "kind": "local",
            "title": site.title(),
            "region": f"region-{site}",
            "capacity": {"cpu": 100, "memory_gib": 200},
            "price": {"cpu_hour": 0.05, "memory_gib_hour": 0.01},
            "dask": {"address": f"http://{at}", "proxy_address": f"gateway://{at}", "secret": f"dask-{site}"},
        }
        for site, at in addresses.items()
    }
    quotas = [
        {"name": "cores", "resource": "cpu", "limit": 64},
        {"name": "ten-clusters", "resource": "clusters", "limit": 10},
    ]
    profiles = {"small": {"title": "Small", "cpu": 1, "memory_gib": 1}}
    return Platform.model_validate({"sites": sites, "profiles": profiles, "quotas": quotas})
