"""The two hubs that are measured beside each other: the stock one with a bare delegate, and Perijove's."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from benchmarks.measure import ROOT
from benchmarks.processes import ControlService, Processes, answers
from perijove_demo.build import find_proxy
from perijove_demo.ports import free_ports
from perijove_hub.policy.models import Platform


class EchoServers:
    """Two servers that answer for all workloads; the second one is where it may become dark.

    Args:
        processes: where they run.
        addresses: host and port of each; free ones of this machine unless given.
    """

    def __init__(self, processes: Processes, addresses: Sequence[tuple[str, int]] = ()) -> None:
        addresses = addresses or [("127.0.0.1", port) for port in free_ports(2)]
        self.urls = [f"http://{host}:{port}" for host, port in addresses]
        for number, (host, port) in enumerate(addresses):
            command = [sys.executable, str(ROOT / "benchmarks/echo.py"), host, str(port), str(processes.directory)]
            process = processes.start(f"echo-{number}", command)
            processes.wait(f"echo-{number}", partial(answers, self.urls[number]))
        self._dark = [process]
        self.directory = processes.directory
        self.darkness = processes.directory / "darkness"
        self.pace = processes.directory / "pace"

    def take_seconds(self, start_seconds: float) -> None:
        """From now on a start takes so long."""
        self.pace.write_text(str(start_seconds))

    def told(self) -> dict[str, str]:
        """What hubs are told of it."""
        return {"darkness": str(self.darkness), "pace": str(self.pace), "echo_directory": str(self.directory)}

    def darkens(self, process: subprocess.Popen[bytes]) -> None:
        """What else takes connections and never answers while it is dark."""
        self._dark.append(process)

    def darken(self) -> None:
        """From now on the second one takes connections and never answers, and dark sites hang."""
        self.darkness.touch()
        for process in self._dark:
            os.kill(process.pid, signal.SIGSTOP)

    def lighten(self) -> None:
        """They answer again."""
        self.darkness.unlink()
        for process in self._dark:
            os.kill(process.pid, signal.SIGCONT)


class Hub:
    """A hub with its proxy, driven by its API.

    Args:
        processes: where it runs.
        name: of its logs and its database.
        told: what its configuration needs beside what every hub is told.
        control: that it asks.
    """

    def __init__(
        self, processes: Processes, name: str, told: dict[str, Any], control: ControlService | None = None
    ) -> None:
        self._processes, self.name, self.control = processes, name, control
        ports = dict(zip(("public", "hub", "proxy_api"), free_ports(3), strict=True))
        self.base_url = f"http://127.0.0.1:{ports['hub']}"
        token, proxy_token = secrets.token_hex(16), secrets.token_hex(16)
        public = f"http://127.0.0.1:{ports['public']}"
        self._told = told | {
            "token": token,
            "proxy_api_url": f"http://127.0.0.1:{ports['proxy_api']}",
            "proxy_token": proxy_token,
            "jupyterhub": {
                "bind_url": public,
                "hub_bind_url": self.base_url,
                "db_url": f"sqlite:///{processes.directory}/{name}.sqlite",
                "cookie_secret_file": str(processes.directory / f"{name}-cookie-secret"),
                "cleanup_servers": False,
                "cleanup_proxy": False,
                "concurrent_spawn_limit": 0,
                "log_level": "WARN",
            },
        }
        proxy = [*find_proxy(), "--ip", "127.0.0.1", "--port", str(ports["public"]), "--api-ip", "127.0.0.1"]
        proxy += ["--api-port", str(ports["proxy_api"]), "--default-target", self.base_url]
        processes.start(f"{name}-proxy", proxy, {"CONFIGPROXY_AUTH_TOKEN": proxy_token})
        self.api = httpx.AsyncClient(
            base_url=f"{self.base_url}/hub/api/", headers={"Authorization": f"token {token}"}, timeout=120
        )

    def start(self) -> float:
        """Start the hub, or start it again; the seconds until its API answers."""
        command = [sys.executable, "-m", "jupyterhub", "--config", str(ROOT / "benchmarks/hub_config.py")]
        self._processes.start(self.name, command, {"PJ_BENCH": json.dumps(self._told)})
        return self._processes.wait(self.name, lambda: answers(f"{self.base_url}/hub/bench"), 180)

    def kill(self) -> None:
        """End it as a crash would."""
        self._processes.end(self.name, kill=True)

    async def figures(self) -> dict[str, Any]:
        """What it has used and done so far."""
        answer = await self.api.get(f"{self.base_url}/hub/bench")
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def add_users(self, names: list[str]) -> None:
        """Create users."""
        for first in range(0, len(names), 200):
            (await self.api.post("users", json={"usernames": names[first : first + 200]})).raise_for_status()

    async def spawn(
        self,
        names: list[str],
        at_once: int = 10,
        options: Callable[[str], Mapping[str, str] | None] = lambda name: None,
    ) -> None:
        """Start a server for each, with what its user chooses, and wait until all are ready."""
        turn = asyncio.Semaphore(at_once)

        async def start(name: str) -> None:
            async with turn:
                answer = await self.api.post(f"users/{name}/server", json=options(name))
                if answer.status_code != 201:
                    raise RuntimeError(f"{self.name}: {name} was not started: {answer.status_code} {answer.text}")

        await asyncio.gather(*map(start, names))

    async def stop(self, names: list[str]) -> None:
        """Stop the servers of these users."""
        answers = [await self.api.delete(f"users/{name}/server") for name in names]
        if any(answer.status_code != 204 for answer in answers):
            raise RuntimeError(f"{self.name}: a server was not stopped")

    async def close(self) -> None:
        """Give the connections back."""
        await self.api.aclose()


def bare_hub(processes: Processes, echo: EchoServers, dark_share: int) -> Hub:
    """A stock hub; of ``dark_share`` servers one is at the second echo server."""
    urls = [*[echo.urls[0]] * (dark_share - 1), echo.urls[1]]
    return Hub(processes, "bare", {"kind": "bare", "urls": urls, **echo.told()})


def perijove_hub(
    processes: Processes,
    echo: EchoServers,
    platform: Platform,
    ledger: str,
    dark: list[str],
    *,
    is_control_elsewhere: bool = False,
) -> Hub:
    """Perijove's hub with its control; the local sites named in ``dark`` are at the second echo server.

    With ``is_control_elsewhere`` its starts ask what stands for a control of another machine, see
    :func:`benchmarks.hub_sites.count_calls`.
    """
    control = ControlService(processes, platform, ledger)
    told = {
        "kind": "perijove",
        "elsewhere_url": echo.urls[0] if is_control_elsewhere else None,
        "sites": {name: echo.urls[name in dark] for name, site in platform.sites.items() if site.kind == "local"},
        "dark": dark,
        "asks_clusters": any(site.kind == "kubernetes" for site in platform.sites.values()),
        **echo.told(),
        "hub": {
            "platform": str(control.platform_file),
            "secrets_dir": str(control.secrets_dir),
            "state_dir": str(_made(processes.directory / "sites")),
            "control_url": control.urls[0],
            "public_control_url": control.urls[0],
            "control_token": secrets.token_hex(16),
            "controller_token": secrets.token_hex(16),
        },
    }
    return Hub(processes, "perijove", told, control)


def _made(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path
