"""A platform of real processes: proxy, hub, control, controller, with a gate between hub and control."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from perijove_demo.build import find_proxy
from perijove_demo.ports import free_ports
from tests.support.gate import Gate

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")

PLATFORM = """\
admission: {offer_seconds: 12, inventory_seconds: 0.4, sweep_seconds: 0.3, clock_margin_seconds: 0.1}
sites:
  near:
    kind: local
    title: Near
    region: here
    capacity: {cpu: 40, memory_gib: 40}
    mounts_homes_of: [far]
    start_timeout_seconds: 4
  far:
    kind: local
    title: Far
    region: there
    capacity: {cpu: 40, memory_gib: 40}
    mounts_homes_of: [near]
    start_timeout_seconds: 4
profiles:
  small: {title: Small, cpu: 1, memory_gib: 1}
  exits: {title: Exits, cpu: 1, memory_gib: 1, env: {PJ_FAULT: exit}}
  talks: {title: Talks, cpu: 1, memory_gib: 1, env: {PJ_FAULT: talk}}
  counting: {title: Counting, cpu: 1, memory_gib: 1, env: {PJ_FAULT: count}}
  stranger: {title: Stranger, cpu: 1, memory_gib: 1, env: {PJ_FAULT: stranger}}
  parent: {title: Parent, cpu: 1, memory_gib: 1, env: {PJ_FAULT: parent}}
  stubborn: {title: Stubborn, cpu: 1, memory_gib: 1, env: {PJ_FAULT: stubborn}}
  deaf: {title: Deaf, cpu: 1, memory_gib: 1, env: {PJ_FAULT: deaf}}
  broken: {title: Broken, cpu: 1, memory_gib: 1, env: {PJ_FAULT: broken}}
  for-staff: {title: For staff, cpu: 1, memory_gib: 1, groups: [staff]}
placement: {retries: 1}
quotas:
  - {name: two-sessions, resource: sessions, limit: 2}
datasets:
  sky:
    title: A sky
    licence: CC0
    size_bytes: 1181116006
    replicas: [{site: near, url: "s3://sky/", endpoint: "http://127.0.0.1:9", credentials: {kind: anonymous}}]
"""


class Bed:
    """Start it, drive it by the hub's API, kill its parts, and compare leases with processes."""

    def __init__(
        self,
        directory: Path,
        platform: str = PLATFORM,
        hub: dict[str, Any] | None = None,
        spawner: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.directory = directory
        self._hub, self._spawner, self._options = hub or {}, spawner or {}, options or {}
        names = ("public", "hub", "control", "proxy_api", "gate", "metrics", "control_metrics")
        self._ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.url = f"http://127.0.0.1:{self._ports['public']}"
        self.hub_api_url = f"http://127.0.0.1:{self._ports['hub']}/hub/api"
        self._token = secrets.token_hex(16)
        self._control_token, self._controller_token = secrets.token_hex(16), secrets.token_hex(16)
        self._proxy_token = secrets.token_hex(16)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        (directory / "secrets").mkdir()
        (directory / "faults").mkdir()
        self._write("secrets/hub-to-control", secrets.token_hex(16))
        self._write("perijove.yaml", platform.replace("HUB_API_URL", self.hub_api_url))
        self._write("bed.json", json.dumps(self._told()))
        self.gate = Gate(f"http://127.0.0.1:{self._ports['control']}", self._ports["gate"])
        self.api = httpx.Client(
            base_url=f"{self.url}/hub/api/", headers={"Authorization": f"token {self._token}"}, timeout=60
        )

    # --- processes ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        for name in ("proxy", "control", "controller"):
            self.launch(name)
        self.wait("control", self.control_is_up)
        self.launch("hub")
        self.wait("hub", self.hub_is_up)

    def stop(self) -> None:
        for name in list(self._processes):
            self.kill(name, signal.SIGTERM if name != "hub" else signal.SIGKILL)
        for process in self.session_processes().values():
            process.kill()
        self.gate.close()
        self.api.close()

    def launch(self, name: str) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._command(name), cwd=ROOT, env=self._env(name), stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, name: str, number: int = signal.SIGKILL, seconds: float = 15) -> None:
        process = self._processes[name]
        process.send_signal(number)
        process.wait(seconds)

    def break_site(self, site: str, fault: str) -> None:
        """Make a site misbehave from now on, or behave again; see :mod:`tests.support.faulty_site`."""
        self._write(f"faults/{site}", fault)

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a process that goes on."""
        self._processes[name].send_signal(number)

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def has_ended(self, name: str) -> bool:
        return self._processes[name].poll() is not None

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")

    # --- the hub's API --------------------------------------------------------------------------------------------

    def hub_is_up(self) -> bool:
        try:
            # the route through the proxy, and the hub's own state: it lists its users
            return self.api.get("users").status_code == 200
        except httpx.TransportError:
            return False

    def control_is_up(self) -> bool:
        try:
            health = f"http://127.0.0.1:{self._ports['control']}/services/perijove/api/v1/health"
            return httpx.get(health).status_code == 200
        except httpx.TransportError:
            return False

    def add_user(self, name: str, groups: tuple[str, ...] = ()) -> None:
        assert self.api.post(f"users/{name}").status_code in (201, 409)  # 409: there already
        for group in groups:
            self.api.post(f"groups/{group}")
            self.api.post(f"groups/{group}/users", json={"users": [name]}).raise_for_status()

    def ask(self, user: str, server: str = "", **options: Any) -> httpx.Response:
        route = f"users/{user}/servers/{server}" if server else f"users/{user}/server"
        # not by httpx, which cannot send half of a surrogate pair, as an attacker can
        body = json.dumps({"user_options": options})
        return self.api.post(route, content=body, headers={"Content-Type": "application/json"})

    def servers(self, user: str) -> dict[str, Any]:
        model: dict[str, Any] = self.api.get(f"users/{user}").raise_for_status().json()
        return {name: server for name, server in model["servers"].items() if server["ready"] or server["pending"]}

    def all_servers(self, user: str) -> set[str]:
        """The names of all servers in the hub's list, stopped ones too; the default one is always there."""
        model = self.api.get(f"users/{user}?include_stopped_servers").raise_for_status().json()
        return set(model["servers"]) - {""}

    def service_token(self, service: str) -> str:
        """The hub API token of ``control`` or ``controller``."""
        return {"control": self._control_token, "controller": self._controller_token}[service]

    def token(self, user: str, *scopes: str) -> str:
        """A token of a user that holds these scopes and no other."""
        answer = self.api.post(f"users/{user}/tokens", json={"scopes": list(scopes)}).raise_for_status()
        token: str = answer.json()["token"]
        return token

    def control_as(self, user: str) -> httpx.Client:
        token = self.api.post(f"users/{user}/tokens", json={}).raise_for_status().json()["token"]
        return httpx.Client(
            base_url=f"{self.url}/services/perijove/api/v1/", headers={"Authorization": f"token {token}"}, timeout=20
        )

    # --- what is, and what is on record ---------------------------------------------------------------------------

    def session_processes(self) -> dict[str, psutil.Process]:
        """The servers that run, by attempt id, found by their environment and not by our own records."""
        found = {}
        for process in psutil.process_iter():
            try:
                env, is_zombie = process.environ(), process.status() == psutil.STATUS_ZOMBIE
            except psutil.Error:
                continue
            attempt = env.get("PERIJOVE_ATTEMPT_ID")
            ours = env.get("HOME", "").startswith(str(self.directory))
            if attempt and ours and not is_zombie:
                found[attempt] = process
        return found

    def kill_session(self, attempt_id: str) -> None:
        """SIGKILL a server that is one process, and wait for its end: on a busy machine it lives on for a moment."""
        process = self.session_processes()[attempt_id]
        process.kill()
        self.wait("the killed server to be gone", lambda: attempt_id not in self.session_processes(), 10)

    def session_server(self, attempt_id: str) -> psutil.Process:
        """The server itself, of all the processes of an attempt."""
        for site in ("near", "far"):
            path = self.directory / "sites" / site / "attempts" / attempt_id / "pid"
            if path.exists():
                return psutil.Process(int(path.read_text()))
        raise AssertionError(f"attempt {attempt_id} has no process")

    def open_leases(self) -> dict[str, str]:
        """The state of each open lease by attempt id, read from the database itself."""
        with closing(sqlite3.connect(self.directory / "control.sqlite")) as db:
            rows = db.execute("select attempt_id, state from leases where state in ('offered', 'starting', 'active')")
            return dict(rows.fetchall())

    def ready_servers(self) -> int:
        users = self.api.get("users").raise_for_status().json()
        return sum(server["ready"] for user in users for server in user["servers"].values())

    def settled(self) -> bool:
        """Open leases, live processes and the hub's ready servers are the same."""
        leases, processes = self.open_leases(), self.session_processes()
        return (
            set(leases) == set(processes)
            and all(state == "active" for state in leases.values())
            and self.ready_servers() == len(processes)
        )

    def wait(self, what: str, check: Callable[[], T], seconds: float = 60) -> T:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if result := check():
                return result
            time.sleep(0.05)
        logs = "\n".join(f"--- {name}\n{self.log(name)[-3000:]}" for name in self._processes)
        raise AssertionError(
            f"waited {seconds} s for: {what}\n{self.open_leases()}\n{self.session_processes()}\n{logs}"
        )

    def metrics(self, of: str = "metrics") -> dict[str, float]:
        """What the controller (or ``control_metrics``) tells Prometheus, by the name of a sample with its labels."""
        text = httpx.get(f"http://127.0.0.1:{self._ports[of]}/metrics").raise_for_status().text
        return {
            name: float(value)
            for name, _, value in (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        }

    # --- how it is put together -----------------------------------------------------------------------------------

    def _command(self, name: str) -> list[str]:
        python = [sys.executable, "-m", "perijove_hub"]
        ledger = ["--platform", str(self.directory / "perijove.yaml")]
        ledger += ["--database", f"sqlite+aiosqlite:///{self.directory}/control.sqlite"]
        port = {key: str(value) for key, value in self._ports.items()}
        return {
            "control": [
                *python, "control", *ledger, "--port", port["control"],
                "--secrets-dir", str(self.directory / "secrets"), "--metrics-port", port["control_metrics"],
            ],
            "controller": [*python, "controller", *ledger, "--metrics-port", port["metrics"]],
            "hub": [sys.executable, "-m", "jupyterhub", "--config", str(ROOT / "tests/support/bed_config.py")],
            "proxy": [
                *find_proxy(), "--ip", "127.0.0.1", "--port", port["public"],
                "--api-ip", "127.0.0.1", "--api-port", port["proxy_api"],
                "--default-target", f"http://127.0.0.1:{port['hub']}",
            ],
        }[name]  # fmt: skip

    def _env(self, name: str) -> dict[str, str]:
        return {
            **os.environ,
            "PJ_BED": str(self.directory / "bed.json"),
            "CONFIGPROXY_AUTH_TOKEN": self._proxy_token,
            "JUPYTERHUB_API_URL": f"http://127.0.0.1:{self._ports['hub']}/hub/api",
            "JUPYTERHUB_API_TOKEN": self._controller_token if name == "controller" else self._control_token,
            "JUPYTERHUB_CLIENT_ID": "service-perijove",
            "JUPYTERHUB_SERVICE_PREFIX": "/services/perijove/",
            "JUPYTERHUB_BASE_URL": "/",
        }

    def _told(self) -> dict[str, Any]:
        return {
            "paths": ["platform", "secrets_dir", "state_dir"],
            "hub": {
                "platform": str(self.directory / "perijove.yaml"),
                "secrets_dir": str(self.directory / "secrets"),
                "state_dir": str(self.directory / "sites"),
                "control_url": f"http://127.0.0.1:{self._ports['gate']}",
                "public_control_url": f"{self.url}/services/perijove",
                "control_token": self._control_token,
                "controller_token": self._controller_token,
                **self._options,
            },
            "jupyterhub": {
                "bind_url": self.url,
                "hub_bind_url": f"http://127.0.0.1:{self._ports['hub']}",
                "db_url": f"sqlite:///{self.directory}/hub.sqlite",
                "cookie_secret_file": str(self.directory / "cookie-secret"),
                "authenticator_class": "dummy",
                "allow_named_servers": True,
                "cleanup_servers": False,
                "cleanup_proxy": False,
                "concurrent_spawn_limit": 0,
                **self._hub,
            },
            "spawner": {"consecutive_failure_limit": 3, "poll_interval": 1, **self._spawner},
            "faults_dir": str(self.directory / "faults"),
            "own_commits": str(self.directory / "own-commits.log"),
            "bed_token": self._token,
            "proxy_api_url": f"http://127.0.0.1:{self._ports['proxy_api']}",
            "proxy_token": self._proxy_token,
            "command": [sys.executable, str(ROOT / "tests/support/singleuser.py")],
        }

    def _write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o600)
