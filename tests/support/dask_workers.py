"""A scheduler and workers as processes of their own, with the environment that a gateway gives them and no more."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SEEN = re.compile(r"Scheduler at:\s+(tcp://\S+)[\s\S]*dashboard at:\s+(http://\S+)/status")
START_SECONDS = 30.0


@dataclass(frozen=True)
class DaskProcesses:
    """Where they are: for clients, and for browsers."""

    address: str
    dashboard: str


@contextmanager
def dask_processes(directory: Path, environment: Mapping[str, str], workers: int = 0) -> Iterator[DaskProcesses]:
    """A scheduler, and workers of two threads below nannies; all of them are gone at the end."""
    given = {"PATH": os.environ["PATH"], "HOME": str(directory), "PYTHONPATH": f"{ROOT / 'server_ext'}:{ROOT}"}
    given |= environment
    with ExitStack() as stack:
        log_path = directory / "scheduler.log"
        loopback = ("--host", "127.0.0.1")
        ports = ("--port", "0", "--dashboard-address", "127.0.0.1:0")
        stack.enter_context(_running(log_path, given, "scheduler", *loopback, *ports))
        deadline = time.monotonic() + START_SECONDS
        while not (found := _SEEN.search(log_path.read_text())):
            assert time.monotonic() < deadline, log_path.read_text()
            time.sleep(0.05)
        if workers:
            size = ("--nworkers", str(workers), "--nthreads", "2", "--no-dashboard")
            stack.enter_context(_running(directory / "workers.log", given, "worker", found[1], *loopback, *size))
        yield DaskProcesses(found[1], found[2])


@contextmanager
def _running(log_path: Path, environment: Mapping[str, str], *command: str) -> Iterator[None]:
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *command], stdout=log, stderr=log, env=environment, cwd=log_path.parent
        )
    try:
        yield
    finally:
        process.terminate()  # a nanny ends its worker, too
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
