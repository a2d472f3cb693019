"""What a scheduler tells of itself: a real one, as a gateway starts it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import distributed
import httpx
import pytest
import yaml
from distributed import Client

from perijove.dask_settings import HTTP_ROUTES, HTTP_ROUTES_VARIABLE
from perijove.scheduler_routes import state_of
from perijove.versions import package_versions, python_version
from tests.support.dask_workers import DaskProcesses, dask_processes


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    """A scheduler and one worker."""
    with dask_processes(tmp_path_factory.mktemp("dask"), {HTTP_ROUTES_VARIABLE: HTTP_ROUTES}, workers=1) as processes:
        yield processes


@pytest.fixture
def seen(processes: DaskProcesses) -> Callable[[], dict[str, Any]]:
    def look() -> dict[str, Any]:
        answer = httpx.get(f"{processes.dashboard}/perijove/state.json").raise_for_status()
        assert answer.headers["Cache-Control"] == "no-store"
        told: dict[str, Any] = answer.json()
        return told

    return look


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_one_that_has_never_run_anything_is_idle_since_it_began(seen: Callable[[], dict[str, Any]]) -> None:
    _until(lambda: bool(seen()["workers"]))
    told = seen()
    idle_seconds = told.pop("idle_seconds")
    assert idle_seconds > 0
    assert told.pop("clients") >= 0  # distributed counts one that it holds itself
    assert told.pop("memory_bytes") > 1 << 20
    assert told == {
        "workers": 1, "threads": 2, "tasks": 0, "processing": 0, "erred": 0, "desired_workers": 0, "adaptive": None,
        "python": python_version(), "packages": package_versions(),
    }  # fmt: skip
    assert told["packages"]["dask"]
    time.sleep(0.3)
    assert seen()["idle_seconds"] >= idle_seconds + 0.2


def _fail() -> None:
    raise ValueError("as ordered")


def test_a_task_ends_its_idleness_which_begins_anew_afterwards(
    processes: DaskProcesses, seen: Callable[[], dict[str, Any]]
) -> None:
    with Client(processes.address, set_as_default=False) as client:
        _until(lambda: (seen()["idle_seconds"] or 0) > 1)
        running = client.submit(time.sleep, 1.0, pure=False)
        _until(lambda: bool(seen()["processing"]))
        assert seen()["idle_seconds"] is None
        assert seen()["desired_workers"] == 1
        running.result()
        _until(lambda: seen()["idle_seconds"] is not None)
        assert seen()["idle_seconds"] < 1
        failed = client.submit(_fail, pure=False)
        assert isinstance(failed.exception(), ValueError)
        assert seen()["erred"] == 1
        del failed
        _until(lambda: seen()["erred"] == 0)
        waiting = client.submit(sum, [1, 2], workers=["tcp://127.0.0.1:1"], pure=False)  # there is nobody to do it
        _until(lambda: seen()["tasks"] == 2)
        time.sleep(0.6)
        assert (seen()["processing"], seen()["idle_seconds"]) == (0, None)
        waiting.cancel()
        del running, waiting
    _until(lambda: seen()["idle_seconds"] is not None)


def test_it_can_only_be_read_and_has_no_page_that_changes_anything(processes: DaskProcesses) -> None:
    state = f"{processes.dashboard}/perijove/state.json"
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert httpx.request(method, state).status_code == 405
    assert httpx.post(f"{processes.dashboard}/api/v1/retire_workers").status_code == 404
    assert httpx.get(f"{processes.dashboard}/json/counts.json").status_code == 200
    assert httpx.get(f"{processes.dashboard}/individual-plots.json").status_code == 200


def test_the_pages_are_those_of_the_distributed_that_is_installed_and_ours() -> None:
    defaults = yaml.safe_load(Path(distributed.__file__).with_name("distributed.yaml").read_text())
    usual = defaults["distributed"]["scheduler"]["http"]["routes"]

    assert yaml.safe_load(HTTP_ROUTES) == [*usual, "perijove.scheduler_routes"]


def test_no_look_goes_through_the_tasks_or_ends_a_scheduler_that_ends_itself_when_idle() -> None:
    class Counted:
        def __len__(self) -> int:
            return 10**6

    def never() -> float:
        raise AssertionError("it would end itself")

    made = SimpleNamespace(
        idle_timeout=60, check_idle=never, idle_since=10.0, adaptive_target=lambda: 0, workers={}, total_nthreads=0,
        tasks=Counted(), task_prefixes={}, clients={}, queued=[], unrunnable={}, plugins={},
    )  # fmt: skip
    told = state_of(made, 70.0)
    assert (told["tasks"], told["idle_seconds"]) == (10**6, 60.0)
