"""``perijove demo``: a whole platform on one machine, in the foreground."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from perijove_demo.build import build_labextension, build_pages, find_proxy
from perijove_demo.clouds import CONTROL_KEY, Cloud
from perijove_demo.data.build import build_demo_data
from perijove_demo.data.catalogue import buckets
from perijove_demo.from_values import with_groups, write_local_platform
from perijove_demo.gateways import DaskSite
from perijove_demo.leftovers import STATE_VARIABLE, end_leftovers, find_leftovers
from perijove_demo.platform import STORE_SECRET, write_platform
from perijove_demo.ports import check_free, free_ports
from perijove_demo.problem import DemoProblem, os_errors_explained
from perijove_demo.state import State
from perijove_demo.supervisor import Child, Supervisor
from perijove_hub.admission.client import HUB_SECRET
from perijove_hub.hub import make_sites
from perijove_hub.policy import PlatformFileError, load_platform
from perijove_hub.policy.secrets import Secrets
from perijove_hub.sites import Handle, SiteInterface

#: The region that clients of each cloud sign for, by site.
CLOUDS = {"esac": "eu-es-madrid", "cloud-eu": "eu-de-1"}

READY_SECONDS = 60

#: What a stop may take, in all less than ten: a start that is broken off has ended, or the hub has ended its sessions,
#: then everything else ends at once. A hub that does not answer in its time ends none, and is not waited for.
CANCEL_SECONDS = 2.0
HUB_ANSWER_SECONDS = 1.0
HUB_STOP_SECONDS = 6.5
GATEWAY_STOP_SECONDS = 6.5
STOP_SECONDS = 2.0

#: A demo asks nobody outside for anything: no news, no updates, no catalogue of extensions.
SERVER_CONFIG = {
    "ServerApp": {"jpserver_extensions": {"perijove_demo.examples": True}},
    "LabApp": {
        "news_url": None,
        "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "extension_manager": "readonly",
    },
}
LAB_CONFIG = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DemoOptions:
    """How a demo is started; see ``perijove demo --help``."""

    port: int
    state_dir: Path
    build: bool
    reset: bool
    #: Values of the chart ``perijove``, whose platform is shown in the place of the demo's own.
    values: Path | None = None


def report(line: str) -> None:
    """Tell whoever started the demo what is going on; they may have closed the terminal."""
    with contextlib.suppress(OSError):
        print(f"  {line}", flush=True)


async def run_demo(options: DemoOptions) -> None:
    """Run the platform until SIGINT, SIGTERM or SIGHUP, then stop all of it.

    Raises:
        DemoProblem: it cannot start here; nothing is left running.
    """
    logging.basicConfig(level=logging.WARNING, format="  %(message)s")
    with _explained():
        proxy_command = await asyncio.to_thread(find_proxy)
        if not find_leftovers(options.state_dir.absolute()):
            # nobody of ours holds it: refused before anything is made
            check_free(options.port)
        with contextlib.closing(State(options.state_dir)) as state:
            if count := await end_leftovers(state.directory):
                report(f"ended {count} processes that an earlier demo had left behind")
            # before anything is forgotten, as a refusal is no reason to
            check_free(options.port)
            state.prepare(reset=options.reset, with_data=options.values is None)
            await _run_until_signal(Demo(options, state, proxy_command))


async def _run_until_signal(demo: Demo) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup ignores SIGHUP for us
        if signal.getsignal(number) is not signal.SIG_IGN or number != signal.SIGHUP:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    start = asyncio.create_task(demo.start())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({start, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            start.result()
        await stopped
        report("stopping")
    finally:
        try:
            start.cancel()
            stopped.cancel()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(start, stopped, return_exceptions=True), CANCEL_SECONDS)
        finally:
            await demo.stop()


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Say in a sentence what this machine, or a part of the demo, refuses."""
    with os_errors_explained():
        try:
            yield
        except PlatformFileError as error:
            raise DemoProblem(f"The demo's platform file is wrong: {error.faults[0]}.") from error
        except httpx.HTTPError as error:
            said = (str(error) or type(error).__name__).splitlines()[0]
            raise DemoProblem(f"A part of the demo does not answer as it should: {said}") from error


async def _together(*steps: Awaitable[None]) -> None:
    """Take all steps at once; the first error ends the others, so that none starts a child when all is stopped."""
    tasks = [asyncio.ensure_future(step) for step in steps]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Demo:
    """One run of the demo on one state directory."""

    def __init__(self, options: DemoOptions, state: State, proxy_command: Sequence[str]) -> None:
        self._options = options
        self._state = state
        self._proxy_command = proxy_command
        # a platform out of values has stores and gateways elsewhere, or none
        clouds = CLOUDS if options.values is None else {}
        ports = free_ports(5 + 3 * len(clouds))
        self._public_url = f"http://127.0.0.1:{options.port or ports[0]}"
        self._hub_url, self._control_url = (f"http://127.0.0.1:{port}" for port in ports[1:3])
        self._proxy_api_url = f"http://127.0.0.1:{ports[3]}"
        self._clouds = {
            name: Cloud(
                name, port, state.path("clouds", name), CLOUDS[name],
                state.secret(f"root-{name}"), state.secret(f"control-{name}"),
            )
            for name, port in zip(clouds, ports[5::3], strict=True)
        }  # fmt: skip
        self._archive_port = ports[4]
        self._gateways = {
            site: self._gateway(site, *pair)
            for site, pair in zip(clouds, zip(ports[6::3], ports[7::3], strict=True), strict=True)
        }
        self._accounts = state.accounts()
        self._tokens: dict[str, str] = {}
        self._supervisor = Supervisor(self._changed)

    def _gateway(self, site: str, api_port: int, port: int) -> DaskSite:
        name = f"dask-{site}"
        self._state.secret(name)
        return DaskSite(
            site=site,
            directory=self._state.path("gateways", site),
            api_port=api_port,
            port=port,
            control_url=f"{self._control_url}/services/perijove",
            public_control_url=f"{self._public_url}/services/perijove",
            hub_api_url=f"{self._hub_url}/hub/api",
            secret_path=self._state.path("secrets", name),
            encrypt_key=base64.b64encode(bytes.fromhex(self._state.secret(f"{name}-records"))).decode(),
        )

    async def start(self) -> None:
        """Bring everything up and say so."""
        if self._options.build:
            await build_pages()
            await build_labextension(report)
        if self._options.values is None:
            report("starting two stores")
            await _together(*(self._start_cloud(cloud) for cloud in self._clouds.values()))
            await build_demo_data(self._state.directory, self._clouds, report)
            self._state.mark_data_ready()
        self._write_configuration()
        report(f"starting control, controller, proxy{', two Dask Gateways' if self._gateways else ''} and the hub")
        await _together(*(self._supervisor.start(child) for child in self._services()))
        # the hub looks for its services once, as it starts: they come first
        await self._wait_for("control", f"{self._control_url}/services/perijove/api/v1/health")
        await self._supervisor.start(self._hub())
        await self._wait_for("hub", f"{self._public_url}/hub/api/")
        for gateway in self._gateways.values():
            await self._wait_for(gateway.service, f"{gateway.address}/api/health")
        self._tokens = await self._make_tokens()
        self._write_demo_json(self._supervisor.pids)
        self._announce()

    async def stop(self) -> None:
        """Stop everything within ten seconds, whatever fails: the hub with its sessions first, then all the rest."""
        failed: list[BaseException | None] = []
        patience_seconds = HUB_STOP_SECONDS if await self._hub_answers() else STOP_SECONDS
        # those that run something, while control is there to hear how it ended
        first = [("hub", patience_seconds), *((each.service, GATEWAY_STOP_SECONDS) for each in self._gateways.values())]
        failed += await asyncio.gather(*(self._supervisor.stop(*each) for each in first), return_exceptions=True)
        children = (self._supervisor.stop(name) for name in list(self._supervisor.pids))
        failed += await asyncio.gather(self._end_sessions(), *children, return_exceptions=True)
        for error in failed:
            if isinstance(error, Exception):
                log.warning("stopping: %s", error)
        # sessions that did not end, and what a child that died has left
        await end_leftovers(self._state.directory, term_seconds=0)
        self._state.path("demo.json").unlink(missing_ok=True)

    async def _start_cloud(self, cloud: Cloud) -> None:
        await asyncio.to_thread(cloud.format)
        env = {**cloud.env(), STATE_VARIABLE: str(self._state.directory)}
        await self._supervisor.start(self._child(f"s3-{cloud.name}", cloud.command(), env))
        await cloud.wait_ready()
        await cloud.provision(buckets(cloud.name))
        key = {"access_key_id": CONTROL_KEY, "secret_access_key": cloud.control_secret}
        self._state.write(f"secrets/{STORE_SECRET.format(cloud.name)}", json.dumps(key))

    def _write_configuration(self) -> None:
        path = self._state.path("perijove.yaml")
        self._write_platform(path)
        platform = load_platform(path)  # ours is right, or this is a fault of ours that shows here
        if self._options.values is not None:
            self._accounts = with_groups(self._accounts, platform)
        self._state.secret(HUB_SECRET)
        told = {
            "state_dir": str(self._state.directory),
            "platform": str(path),
            "secrets_dir": str(self._state.path("secrets")),
            "sites_dir": str(self._state.path("sites")),
            "control_url": self._control_url,
            "public_url": self._public_url,
            "public_control_url": f"{self._public_url}/services/perijove",
            "hub_url": self._hub_url,
            "proxy_api_url": self._proxy_api_url,
            "proxy_token": self._state.secret("proxy"),
            "control_token": self._state.secret("control-token"),
            "controller_token": self._state.secret("controller-token"),
            "demo_token": self._state.secret("demo-token"),
            "db_url": f"sqlite:///{self._state.path('hub.sqlite')}",
            "cookie_secret_file": str(self._state.path("hub-cookie-secret")),
            "singleuser_command": [str(Path(sys.executable).parent / "jupyterhub-singleuser")],
            "jupyter_config_dir": str(self._state.path("jupyter")),
            "accounts": [asdict(account) for account in self._accounts],
        }
        # the sessions of all run as one account, so they may believe each other's pictures
        shared = {"PerijoveServer": {"overviews_dir": str(self._state.path("overviews"))}}
        self._state.write("jupyter/jupyter_server_config.json", json.dumps(SERVER_CONFIG | shared))
        self._state.write("jupyter/labconfig/page_config.json", json.dumps(LAB_CONFIG))
        self._state.write("hub.json", json.dumps(told))

    def _write_platform(self, path: Path) -> None:
        if self._options.values is not None:
            write_local_platform(self._options.values, path)
            return
        write_platform(
            path,
            {name: cloud.endpoint for name, cloud in self._clouds.items()},
            f"http://127.0.0.1:{self._archive_port}",
            self._gateways,
        )

    def _services(self) -> list[Child]:
        python = [sys.executable, "-m", "perijove_hub"]
        ledger = [
            "--platform", str(self._state.path("perijove.yaml")),
            "--database", f"sqlite+aiosqlite:///{self._state.path('control.sqlite')}",
        ]  # fmt: skip
        service = {
            **self._base_env(),
            "JUPYTERHUB_API_URL": f"{self._hub_url}/hub/api",
            "JUPYTERHUB_BASE_URL": "/",
        }
        control = {
            **service,
            "JUPYTERHUB_API_TOKEN": self._state.secret("control-token"),
            "JUPYTERHUB_CLIENT_ID": "service-perijove",
            "JUPYTERHUB_SERVICE_PREFIX": "/services/perijove/",
        }
        controller = {**service, "JUPYTERHUB_API_TOKEN": self._state.secret("controller-token")}
        port = self._control_url.rpartition(":")[2]
        secrets_dir = ["--secrets-dir", str(self._state.path("secrets"))]
        archive = [
            sys.executable, "-m", "perijove_demo.archive", str(self._state.path("archive")), str(self._archive_port),
        ]  # fmt: skip
        return [
            *([self._child("archive", archive, self._base_env())] if self._clouds else []),
            self._child("control", [*python, "control", *ledger, *secrets_dir, "--port", port], control),
            self._child("controller", [*python, "controller", *ledger], controller),
            self._child("proxy", self._proxy(), {
                **self._base_env(), "CONFIGPROXY_AUTH_TOKEN": self._state.secret("proxy"),
            }),
            *(
                self._child(each.service, each.command, self._base_env() | each.prepare())
                for each in self._gateways.values()
            ),
        ]  # fmt: skip

    def _proxy(self) -> list[str]:
        return [
            *self._proxy_command,
            "--ip", "127.0.0.1", "--port", self._public_url.rpartition(":")[2],
            "--api-ip", "127.0.0.1", "--api-port", self._proxy_api_url.rpartition(":")[2],
            "--default-target", self._hub_url, "--error-target", f"{self._hub_url}/hub/error",
        ]  # fmt: skip

    def _hub(self) -> Child:
        config = str(Path(__file__).parent / "jupyterhub_config.py")
        env = {**self._base_env(), "PERIJOVE_DEMO_HUB": str(self._state.path("hub.json"))}
        return self._child("hub", [sys.executable, "-m", "jupyterhub", "--config", config], env)

    def _child(self, name: str, command: Sequence[str], env: dict[str, str]) -> Child:
        log_path = self._state.path("logs", f"{name}.log")
        return Child(name, command, env, log_path, self._state.directory, STOP_SECONDS)

    def _base_env(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TZ", "OPENBLAS_CORETYPE") if name in os.environ}
        return {**kept, "PATH": path, "PYTHONUNBUFFERED": "1", STATE_VARIABLE: str(self._state.directory)}

    async def _wait_for(self, name: str, url: str) -> None:
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            while asyncio.get_running_loop().time() < deadline:
                if self._supervisor.has_died(name):
                    break
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(url)).status_code == httpx.codes.OK:
                        return
                await asyncio.sleep(0.1)
        log_path = self._state.path("logs", f"{name}.log")
        tail = log_path.read_text(errors="replace").strip().splitlines()[-1:]
        raise DemoProblem(f"The {name} did not come up; {log_path} ends with: {' '.join(tail)[:500]}")

    async def _make_tokens(self) -> dict[str, str]:
        """An API token for each account; those of an earlier start are kept while they are good."""
        path = self._state.path("tokens.json")
        kept: dict[str, str] = {}
        # what cannot be read is made anew
        with contextlib.suppress(OSError, ValueError):
            kept = dict(json.loads(path.read_text()))
        async with self._hub_api() as client:
            for account in self._accounts:
                headers = {"Authorization": f"token {kept.get(account.name, 'none')}"}
                if (await client.get("user", headers=headers)).status_code == httpx.codes.OK:
                    continue
                answer = await client.post(f"users/{account.name}/tokens", json={"note": "perijove demo"})
                answer.raise_for_status()
                kept[account.name] = answer.json()["token"]
        self._state.write("tokens.json", json.dumps(kept))
        return kept

    async def _hub_answers(self) -> bool:
        with contextlib.suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout(HUB_ANSWER_SECONDS), httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(f"{self._hub_url}/hub/api/")).is_success
        return False

    @contextlib.asynccontextmanager
    async def _hub_api(self) -> AsyncIterator[httpx.AsyncClient]:
        headers = {"Authorization": f"token {self._state.secret('demo-token')}"}
        async with httpx.AsyncClient(
            base_url=f"{self._hub_url}/hub/api/", headers=headers, timeout=20, trust_env=False
        ) as client:
            yield client

    async def _changed(self, pids: dict[str, int]) -> None:
        if self._tokens:
            self._write_demo_json(pids)

    def _write_demo_json(self, pids: dict[str, int]) -> None:
        content = {
            "url": self._public_url,
            "accounts": [{**asdict(account), "token": self._tokens[account.name]} for account in self._accounts],
            "control_url": f"{self._public_url}/services/perijove",
            "s3": [{"site": name, "endpoint": cloud.endpoint} for name, cloud in self._clouds.items()],
            "dask": [{"site": name, "address": each.address} for name, each in self._gateways.items()],
            "pids": pids,
        }
        self._state.write("demo.json", json.dumps(content, indent=2))

    async def _end_sessions(self) -> None:
        """End the sessions that a hub which was killed has left; a hub that was stopped has left none."""
        path = self._state.path("perijove.yaml")
        if not path.exists():
            return
        sites = make_sites(load_platform(path), self._state.path("sites"), Secrets(self._state.path("secrets")))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.gather(*(_end_sessions_at(*at) for at in sites.items()), return_exceptions=True)

    def _announce(self) -> None:
        print(f"Perijove is ready at {self._public_url}", flush=True)
        width = max(len(account.name) for account in self._accounts)
        # these accounts live on this machine and for this demo; whoever started it must be able to sign in
        for account in self._accounts:
            print(
                f"    {account.name:{width}}  password {account.password}  groups {', '.join(account.groups)}",
                flush=True,
            )
        print("  Ctrl-C stops it.", flush=True)


async def _end_sessions_at(name: str, site: SiteInterface) -> None:
    handles = [Handle(name, attempt_id, "") for attempt_id in await site.list()]
    await asyncio.gather(*(site.stop(handle) for handle in handles), return_exceptions=True)


__all__ = ["DemoOptions", "DemoProblem", "run_demo"]
