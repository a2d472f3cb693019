"""Real Dask Gateways with our backend, as processes: real schedulers, real workers, real HTTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from perijove_demo.gateways import IDLE_CHOICES, DaskSite
from perijove_demo.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
PATHS = os.pathsep.join(str(ROOT / part) for part in ("hub_ext", "server_ext", "demo", "."))

#: What makes a gateway quick enough for tests.
QUICK: dict[str, dict[str, Any]] = {
    "PerijoveLocalBackend": {"sweep_seconds": 1.0, "ask_seconds": 2.0, "sigint_timeout": 3},
    "DBBackendBase": {
        "cluster_heartbeat_period": 1,
        # on a machine with other work to do, a second is nothing
        "cluster_heartbeat_timeout": 8,
        "cluster_status_period": 2,
        "check_timeouts_period": 1,
    },
    "ClusterConfig": {"adaptive_period": 0.5},
}


@dataclass
class GatewayBed:
    """A gateway that can be killed and started again."""

    told: DaskSite
    log_path: Path
    http: aiohttp.ClientSession
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    async def start(self) -> None:
        """Start it and wait until it answers through its proxy."""
        self._launch()
        await until(self._answers, 30, lambda: f"the gateway did not come up:\n{self.log()[-3000:]}")

    def _launch(self) -> None:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.told.command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.told.directory,
                start_new_session=True,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": PATHS, **self.told.prepare(), **self.environment},
            )

    async def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()[-3000:]
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self.http.get(f"{self.told.address}/api/health") as answer:
                return answer.status == 200
        return False

    def kill(self) -> None:
        """SIGKILL it, and its proxy, as an out-of-memory killer or a lost node does; its clusters stay."""
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children():
            if "dask-gateway-proxy" in " ".join(child.cmdline()):
                child.kill()
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """End it, and all that it runs."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(25)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def processes(self) -> list[psutil.Process]:
        """The processes of its clusters: those that work in its directories."""
        directory, found = self.told.directory / "clusters", []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if directory in Path(process.cwd().removesuffix(" (deleted)")).parents:
                    found.append(process)
        return found

    def processes_with(self, word: str) -> list[psutil.Process]:
        """Those of them whose command has this word: ``scheduler``, or ``--name`` for what looks after a worker."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):  # it has ended meanwhile, and is perhaps not collected yet
                if word in process.cmdline():
                    found.append(process)
        return found

    def log(self) -> str:
        """All that it has written."""
        return self.log_path.read_text()

    async def call(self, method: str, path: str, token: str | None, body: Any = None, **query: Any) -> tuple[int, Any]:
        """A request as a user's server or client sends it: the status and the JSON of the answer."""
        headers = {"Authorization": f"jupyterhub {token}"} if token else {}
        async with self.http.request(
            method, f"{self.told.address}/api/{path}", json=body, headers=headers, params=query
        ) as answer:
            text = await answer.text()
            return answer.status, await answer.json() if "json" in answer.content_type else text

    async def clusters(self, token: str) -> list[dict[str, Any]]:
        """What the owner of the token is told of clusters."""
        status, body = await self.call("GET", "perijove/v1/clusters", token)
        assert status == 200, body
        items: list[dict[str, Any]] = body["items"]
        return items

    async def new(self, token: str, **options: Any) -> str:
        """Start a cluster; its name."""
        status, body = await self.call("POST", "v1/clusters/", token, {"cluster_options": options})
        assert status == 201, body
        return str(body["name"])

    async def wait(self, token: str, name: str, what: Callable[[dict[str, Any]], bool], seconds: float = 40) -> Any:
        """Wait until a cluster is so; what it is then."""
        found: dict[str, Any] = {}

        async def is_so() -> bool:
            found.update(next((each for each in await self.clusters(token) if each["name"] == name), {}))
            return bool(found) and what(found)

        await until(is_so, seconds, lambda: f"{found}\n{self.log()[-4000:]}")
        return found

    async def running(self, token: str, workers: int = 0, **options: Any) -> str:
        """Start a cluster and wait until it runs, with so many workers; its name."""
        name = await self.new(token, **options)
        await self.wait(token, name, lambda each: each["state"] == "running")
        if workers:
            assert (await self.call("POST", f"v1/clusters/{name}/scale", token, {"count": workers}))[0] == 200
            await self.wait(token, name, lambda each: each["workers"] == workers)
        return name


async def until(is_so: Callable[[], Any], seconds: float, tell: Callable[[], str]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not await is_so():
        if time.monotonic() > deadline:
            raise AssertionError(tell())
        await asyncio.sleep(0.1)


def _written(directory: Path, secret: str) -> Path:
    (directory / "gateway").mkdir(parents=True)
    path = directory / "secret"
    path.touch(mode=0o600)
    path.write_text(secret)
    return path


@contextlib.asynccontextmanager
async def running_gateway(
    directory: Path,
    *,
    site: str,
    control_url: str,
    hub_api_url: str,
    secret: str,
    ports: tuple[int, int] | None = None,
    more: dict[str, dict[str, Any]] | None = None,
    environment: dict[str, str] | None = None,
    idle_choices: dict[str, int] | None = None,
) -> AsyncIterator[GatewayBed]:
    """A gateway for a site, ready."""
    api_port, port = ports or free_ports(2)
    secret_path = _written(directory, secret)
    settings = {name: {**QUICK.get(name, {}), **(more or {}).get(name, {})} for name in {*QUICK, *(more or {})}}
    told = DaskSite(
        site,
        directory / "gateway",
        api_port,
        port,
        control_url,
        control_url,
        hub_api_url,
        secret_path,
        base64.b64encode(secrets.token_bytes(32)).decode(),
        idle_choices or dict(IDLE_CHOICES),
        settings,
    )
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=30)
    ) as http:
        bed = GatewayBed(told, directory / "gateway.log", http, environment=environment or {})
        try:
            await bed.start()
            yield bed
        finally:
            bed.stop()
