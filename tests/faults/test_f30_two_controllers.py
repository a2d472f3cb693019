"""F30: two controllers, or two controls on SQLite, started by mistake: the second refuses, and says why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perijove_demo.ports import free_ports
from perijove_hub.ledger.engines import parse_address, spoken_address
from tests.support.control_bed import HUB_SECRET
from tests.support.platforms import SMALL_FILE
from tests.support.postgres import PostgresServer

AT_WORK = ("controller runs", "control serves")


class Processes:
    """Processes of a platform in one directory, each with its own log."""

    def __init__(self, directory: Path, ledger: str) -> None:
        self._directory, self._ledger = directory, ledger
        self._running: list[subprocess.Popen[bytes]] = []
        (directory / "perijove.yaml").write_text("admission: {sweep_seconds: 0.2}\n" + SMALL_FILE)
        (directory / "secrets").mkdir()
        secret = directory / "secrets" / HUB_SECRET
        secret.write_text("canary-hub-to-control")
        secret.chmod(0o600)

    def start(self, role: str) -> subprocess.Popen[bytes]:
        """Start one more process of a role."""
        command = [sys.executable, "-m", "perijove_hub", role, "--database", self._ledger]
        command += ["--platform", str(self._directory / "perijove.yaml")]
        if role == "control":
            command += ["--secrets-dir", str(self._directory / "secrets"), "--port", str(free_ports(1)[0])]
        hub = {
            "JUPYTERHUB_API_URL": "http://127.0.0.1:9/hub/api",
            "JUPYTERHUB_API_TOKEN": "canary-token",
            "JUPYTERHUB_CLIENT_ID": "service-perijove",
            "JUPYTERHUB_SERVICE_PREFIX": "/services/perijove/",
        }
        with (self._directory / f"{len(self._running)}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | hub)
        self._running.append(process)
        return process

    def log(self, process: subprocess.Popen[bytes]) -> str:
        """What a process said."""
        return (self._directory / f"{self._running.index(process)}.log").read_text()

    def wait(self, process: subprocess.Popen[bytes], check: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + 30
        while not check():
            assert time.monotonic() < deadline, self.log(process)
            time.sleep(0.02)

    def works(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether a process came as far as its work, and goes on; waits until it is clear."""
        self.wait(process, lambda: process.poll() is not None or any(word in self.log(process) for word in AT_WORK))
        return process.poll() is None

    def is_refused(self, process: subprocess.Popen[bytes], role: str) -> None:
        """A process ends at once, with one sentence about why."""
        assert process.wait(30) == 2
        spoken = spoken_address(parse_address(self._ledger))
        told = f"perijove: another {role} process uses {spoken}; one {role} serves one ledger"
        assert self.log(process).splitlines()[-1] == told
        assert "Traceback" not in self.log(process)
        assert "canary" not in self.log(process)

    def stop(self) -> None:
        """End all of them."""
        for process in self._running:
            process.kill()
            process.wait()


@pytest.fixture
def processes(tmp_path: Path, ledger: str) -> Iterator[Processes]:
    processes = Processes(tmp_path, ledger)
    yield processes
    processes.stop()


def test_a_second_controller_refuses_until_the_first_is_gone(processes: Processes) -> None:
    first = processes.start("controller")
    assert processes.works(first)
    processes.is_refused(processes.start("controller"), "controller")
    assert first.poll() is None, "the first goes on"
    first.send_signal(signal.SIGKILL)
    third = processes.start("controller")
    assert processes.works(third)
    third.send_signal(signal.SIGTERM)
    assert third.wait(15) == 0


def test_a_second_control_refuses_on_sqlite_and_serves_on_postgresql(processes: Processes, ledger: str) -> None:
    first = processes.start("control")
    assert processes.works(first)
    second = processes.start("control")
    if "sqlite" in ledger:
        processes.is_refused(second, "control")
    else:
        assert processes.works(second)
    assert first.poll() is None


def test_a_controller_that_was_cut_off_is_the_only_one_again(postgres: PostgresServer, tmp_path: Path) -> None:
    address = postgres.ledger()
    processes = Processes(tmp_path, address)
    try:
        first = processes.start("controller")
        assert processes.works(first)
        postgres.kill()
        processes.wait(first, lambda: "the ledger cannot be used" in processes.log(first))
        postgres.start()
        with postgres.connect(address) as admin:
            locks = "select count(*) from pg_locks where locktype = 'advisory'"
            processes.wait(first, lambda: admin.execute(locks).fetchall() == [(1,)])
        processes.is_refused(processes.start("controller"), "controller")
        assert first.poll() is None
    finally:
        processes.stop()


def test_a_controller_whose_place_was_taken_while_it_was_cut_off_ends(postgres: PostgresServer, tmp_path: Path) -> None:
    address = postgres.ledger()
    processes = Processes(tmp_path, address)
    try:
        first = processes.start("controller")
        assert processes.works(first)
        first.send_signal(signal.SIGSTOP)  # its machine hangs
        postgres.end_sessions(address)
        second = processes.start("controller")
        assert processes.works(second)
        first.send_signal(signal.SIGCONT)
        processes.is_refused(first, "controller")
        assert second.poll() is None
    finally:
        processes.stop()
