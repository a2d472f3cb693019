"""What a scheduler tells of itself: a real one, as a gateway starts it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from distributed import Client

from perijove.dask_settings import HTTP_ROUTES, HTTP_ROUTES_VARIABLE
from perijove.scheduler_routes import state_of
from perijove.versions import package_versions, python_version

_ROOT = Path(__file__).resolve().parents[3]
_SEEN = re.compile(r"Scheduler at:\s+(tcp://\S+)[\s\S]*dashboard at:\s+(http://\S+)/status")


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Its address and that of its dashboard."""
    directory = tmp_path_factory.mktemp("scheduler")
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(directory), HTTP_ROUTES_VARIABLE: HTTP_ROUTES,
        "PYTHONPATH": f"{_ROOT / 'server_ext'}",
    }  # fmt: skip
    log_path = directory / "log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0"),
                *("--dashboard-address", "127.0.0.1:0"),
            ],
            stdout=log, stderr=log, env=environment, cwd=directory,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while not (found := _SEEN.search(log_path.read_text())):
            assert time.monotonic() < deadline, log_path.read_text()
            time.sleep(0.05)
        yield found[1], found[2]
    finally:
        process.terminate()
        process.wait(20)


def test_it_tells_how_idle_it_is_and_what_it_runs_on(scheduler: tuple[str, str]) -> None:
    address, dashboard = scheduler

    def seen() -> dict[str, Any]:
        answer = httpx.get(f"{dashboard}/perijove/state.json").raise_for_status()
        assert answer.headers["Cache-Control"] == "no-store"
        told: dict[str, Any] = answer.json()
        return told

    first = seen()
    idle_seconds = first.pop("idle_seconds")
    assert idle_seconds >= 0
    assert first.pop("clients") >= 0  # distributed counts one that it holds itself
    assert first == {
        "workers": 0, "threads": 0, "memory_bytes": 0, "tasks": 0, "processing": 0,
        "python": python_version(), "packages": package_versions(),
    }  # fmt: skip
    assert first["packages"]["dask"]
    time.sleep(0.3)
    assert seen()["idle_seconds"] >= idle_seconds + 0.2
    with Client(address) as client:
        waiting = client.submit(sum, [1, 2], pure=False)  # there is nobody to do it
        deadline = time.monotonic() + 10
        while seen()["idle_seconds"] is not None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert seen()["clients"] >= 1
        waiting.cancel()
    deadline = time.monotonic() + 10
    while seen()["idle_seconds"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert seen()["idle_seconds"] < 5


def test_it_can_only_be_read_and_has_no_page_that_changes_anything(scheduler: tuple[str, str]) -> None:
    _, dashboard = scheduler
    assert httpx.post(f"{dashboard}/perijove/state.json").status_code == 405
    assert httpx.post(f"{dashboard}/api/v1/retire_workers").status_code == 404
    assert httpx.get(f"{dashboard}/json/counts.json").status_code == 200
    assert httpx.get(f"{dashboard}/individual-plots.json").status_code == 200


def test_one_that_ends_itself_is_not_asked_when(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> float:
        raise AssertionError("it would end itself")

    made = SimpleNamespace(idle_timeout=60, check_idle=never, workers={}, total_nthreads=0, tasks={}, clients={})
    assert state_of(made, 0.0)["idle_seconds"] is None
