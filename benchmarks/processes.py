"""Processes that a measurement starts and ends: control, echo servers, and whatever else has a command."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from benchmarks.measure import ROOT
from perijove_demo.ports import free_ports
from perijove_hub.admission.client import HUB_SECRET
from perijove_hub.policy.models import Platform


class Processes:
    """Processes of one measurement, which all end with it; each writes a log of its name.

    Args:
        directory: for the logs.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Nothing runs yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all of them."""
        for name in list(self._running):
            self.end(name)

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a process."""
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **(env or {})}, stdout=log, stderr=log, start_new_session=True
            )
        self._running[name] = process
        return process

    def end(self, name: str, *, kill: bool = False) -> None:
        """End a process, and wait until it is gone."""
        process = self._running.pop(name)
        process.kill() if kill else process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def log(self, name: str) -> str:
        """What it wrote last."""
        return (self.directory / f"{name}.log").read_text(errors="replace")[-4000:]

    def wait(self, name: str, check: Callable[[], bool], seconds: float = 60) -> float:
        """Wait until a process does what is expected of it; how many seconds that took.

        Raises:
            RuntimeError: it has ended, or takes too long; with the end of its log.
        """
        begun = time.monotonic()
        while not check():
            if self._running[name].poll() is not None or time.monotonic() - begun > seconds:
                raise RuntimeError(f"{name} does not come up:\n{self.log(name)}")
            time.sleep(0.02)
        return time.monotonic() - begun


class ControlService:
    """One or several control processes on one ledger.

    Args:
        processes: where they run.
        platform: the policy.
        database: the address of the ledger.
        count: how many; each has a port of its own.
        hub_api_url: where they ask whose token it is.
        hub_token: their own at the hub.
    """

    def __init__(
        self,
        processes: Processes,
        platform: Platform,
        database: str,
        count: int = 1,
        hub_api_url: str = "http://127.0.0.1:9/hub/api",
        hub_token: str = "none",  # noqa: S107 - no secret
    ) -> None:
        directory, self.secret = processes.directory, secrets.token_hex(16)
        (directory / "secrets").mkdir(exist_ok=True)
        secret_file = directory / "secrets" / HUB_SECRET
        secret_file.write_text(self.secret)
        secret_file.chmod(0o600)
        self.secrets_dir = directory / "secrets"
        self.platform_file = directory / "perijove.yaml"
        # JSON is YAML, too
        self.platform_file.write_text(platform.model_dump_json(exclude_none=True))
        ports = free_ports(count)
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        env = {
            "JUPYTERHUB_API_URL": hub_api_url,
            "JUPYTERHUB_API_TOKEN": hub_token,
            "JUPYTERHUB_CLIENT_ID": "service-perijove",
            "JUPYTERHUB_SERVICE_PREFIX": "/services/perijove/",
            "JUPYTERHUB_BASE_URL": "/",
        }
        self.names = [f"control-{number}" for number in range(count)]
        for name, port in zip(self.names, ports, strict=True):
            command = [sys.executable, "-m", "perijove_hub", "control", "--platform", str(self.platform_file)]
            command += ["--database", database, "--secrets-dir", str(self.secrets_dir), "--port", str(port)]
            processes.start(name, command, env)
        for name, url in zip(self.names, self.urls, strict=True):
            processes.wait(name, partial(answers, f"{url}/services/perijove/api/v1/health"))

    def client(self, number: int = 0, token: str | None = None) -> httpx.AsyncClient:
        """A client of one of them: with the hub's secret, or with a user's token."""
        authorization = f"token {token}" if token else f"Bearer {self.secret}"
        return httpx.AsyncClient(
            base_url=f"{self.urls[number]}/services/perijove/api/v1/",
            headers={"Authorization": authorization},
            timeout=60,
            limits=httpx.Limits(max_connections=None),
        )


def answers(url: str, token: str = "") -> bool:
    """Whether something answers there, and says yes."""
    try:
        headers = {"Authorization": f"token {token}"} if token else {}
        return httpx.get(url, headers=headers, timeout=5).status_code == 200
    except httpx.TransportError:
        return False
