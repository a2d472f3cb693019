"""What a cluster runs on, told by a real scheduler and real workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from distributed import Scheduler, Worker, rpc

from perijove import preflight
from perijove.preflight import Preflight


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    async with Scheduler(port=0, dashboard_address=None, host="127.0.0.1") as scheduler:
        yield scheduler


def calls(scheduler: Scheduler) -> Any:
    return rpc(scheduler.address)  # type: ignore[no-untyped-call]


def says(worker: Worker, **packages: str) -> None:
    """The worker has packages of other versions than it is thought to have."""
    told = worker.handlers["versions"]

    def versions(**asked: Any) -> Any:
        answer = told(**asked)
        return answer | {"packages": answer["packages"] | packages}

    worker.handlers["versions"] = versions


async def test_workers_that_come_later_are_asked_and_each_difference_is_told_once(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "package_versions", lambda: {"numpy": "2.1.0", "perijove": "0.1.0"})
    async with (
        calls(scheduler) as comm,
        Worker(scheduler.address) as first,
        Worker(scheduler.address) as old,
        Worker(scheduler.address) as also_old,
        Worker(scheduler.address) as without,
    ):
        for each in (first, old, also_old, without):
            says(each, numpy="2.1.5", perijove="0.1.0")
        says(old, numpy="1.26.0")
        says(also_old, numpy="1.26.0")
        says(without, perijove="")
        seen = Preflight(comm)

        assert await seen.check_newcomers({first.address}) is None
        assert seen.newcomers([first.address]) == set()
        assert seen.newcomers([first.address, old.address]) == {old.address}
        told = await seen.check_newcomers({old.address})
        assert told is not None
        assert told.startswith("1 of this cluster's 2 workers runs numpy 1.26.0 and not 2.1.0: tasks may fail")
        assert await seen.check_newcomers({also_old.address}) is None
        told = await seen.check_newcomers({without.address})
        assert told is not None
        assert told.endswith("1 of this cluster's 4 workers have no perijove, and cannot read perijove://.")


async def test_what_was_told_of_all_is_not_told_of_who_comes_later(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "package_versions", lambda: {"numpy": "2.1.0"})
    async with calls(scheduler) as comm, Worker(scheduler.address) as old, Worker(scheduler.address) as also_old:
        says(old, numpy="1.26.0")
        says(also_old, numpy="1.26.0")
        seen = Preflight(comm)

        told = await seen.check()
        assert told is not None
        assert "numpy 1.26.0 and not 2.1.0" in told
        assert seen.newcomers([old.address, also_old.address]) == set()
        assert seen.newcomers([old.address]) == set()
        assert await seen.check_newcomers({also_old.address}) is None


async def test_a_worker_that_does_not_answer_is_asked_again_while_it_is_there(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "VERSIONS_SECONDS", 0.3)
    silent = "tcp://127.0.0.1:1"
    async with calls(scheduler) as comm:
        seen = Preflight(comm)

        with pytest.raises(TimeoutError):
            await seen.check_newcomers({silent})
        assert seen.newcomers([silent]) == {silent}
        assert seen.newcomers([]) == set()
