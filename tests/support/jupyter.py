"""A real Jupyter server in a process of its own, with Perijove's extension, for tests of the routes.

A process and not pytest-jupyter's fixtures: those take over how every coroutine test of the session is run, and what
is to be shown here (nothing secret in the log or the environment, limits that end a child) belongs to a process.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

SERVER_TOKEN = "server-token-51c0"
_PACKAGES = Path(__file__).resolve().parents[2] / "server_ext"
_ADDRESS = re.compile(r"\] (http://127\.0\.0\.1:\d+)/user/x/")
_OTHER_EXTENSIONS = ("jupyter_lsp", "jupyter_server_terminals", "jupyterlab", "notebook_shim")


@dataclass
class JupyterServer:
    """A running server; ``http`` is signed in and has the extension's root as its base."""

    http: httpx.Client
    url: str
    pid: int
    log_path: Path

    def get(self, route: str, headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
        """GET one of the extension's routes."""
        return self.http.get(route, params=params, headers=headers)

    def log(self) -> str:
        """All that the server has written."""
        return self.log_path.read_text()


@contextlib.contextmanager
def jupyter_server(
    directory: Path,
    environment: dict[str, str],
    *options: str,
    extensions: tuple[str, ...] = (),
    log_level: str = "DEBUG",
) -> Iterator[JupyterServer]:
    """A server with ``environment`` on top of a bare one, its files in ``directory``, and more ``extensions``."""
    enabled = {"perijove_server": True} | dict.fromkeys(_OTHER_EXTENSIONS, False) | dict.fromkeys(extensions, True)
    log_path = directory / "server.log"
    for name in ("root", "home"):
        (directory / name).mkdir()
    bare = {"PATH": os.environ["PATH"], "HOME": str(directory / "home"), "PYTHONPATH": str(_PACKAGES)}
    bare["PYTHONFAULTHANDLER"] = "1"  # see _end
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
                f"--ServerApp.log_level={log_level}",
                f"--ServerApp.jpserver_extensions={enabled}",
                *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--ServerApp.base_url=/user/x/"),
                *(f"--ServerApp.root_dir={directory / 'root'}", f"--IdentityProvider.token={SERVER_TOKEN}"),
                *options,
            ],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=bare | environment,
            cwd=directory,
        )
    try:
        url = _wait_for_address(process, log_path)
        headers = {"Authorization": f"token {SERVER_TOKEN}"}
        with httpx.Client(base_url=f"{url}/user/x/perijove/", headers=headers, timeout=30) as http:
            yield JupyterServer(http, f"{url}/user/x/", process.pid, log_path)
    finally:
        _end(process, log_path)


def _end(process: subprocess.Popen[bytes], log_path: Path) -> None:
    """End the server as a hub does, by more than one signal; one that hangs tells where.

    Once is not enough: ``ServerApp._signal_stop`` logs before it stops, and a signal that comes while a line is being
    written to a file raises "reentrant call" out of the log, so that nothing stops. A hub's second signal ends it.
    """
    process.terminate()
    try:
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        process.wait(timeout=15)
        raise AssertionError(f"The Jupyter server did not end:\n{log_path.read_text()[-8000:]}") from None


def _wait_for_address(process: subprocess.Popen[bytes], log_path: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        found = _ADDRESS.search(log_path.read_text())
        if found:
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"The Jupyter server did not start:\n{log_path.read_text()[-2000:]}")
