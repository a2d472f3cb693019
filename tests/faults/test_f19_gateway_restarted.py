"""F19: the Dask Gateway is killed and comes back while a cluster computes: found again, and nothing is left over."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from distributed.client import FutureCancelledError

from tests.support.dask_bed import running_dask_bed
from tests.support.dask_client import busy, connected
from tests.support.dask_gateway import until

pytestmark = pytest.mark.slow

TASKS = 120


def noted(number: int, directory: Path) -> int:
    """Take a while, note that it was done, and give the number back."""
    busy(number, seconds=0.1)
    with (directory / f"task-{number}").open("a") as notes:
        notes.write("done\n")
    return number


def done(directory: Path) -> list[int]:
    """How often each of the tasks was done that were done at all."""
    return [len(each.read_text().splitlines()) for each in directory.glob("task-*")]


async def test_a_computation_outlives_its_gateway(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running_dask_bed(tmp_path, caplog) as bed:
        gateway = bed.gateway
        name = await gateway.running(bed.ana, workers=2)
        before = {each.pid for each in gateway.processes()}
        async with connected(gateway, bed.ana, name) as client:
            total = client.submit(sum, client.map(noted, range(TASKS), directory=tmp_path, pure=False))
            # what is published is the cluster's, and not only the client's who waits for it
            await client.publish_dataset(total, name="total")

            async def has_begun() -> bool:
                return bool(done(tmp_path))

            await until(has_begun, 30, gateway.log)
            gateway.kill()
            assert 0 < len(done(tmp_path)) < TASKS, "the gateway is killed in the middle"
            await gateway.start()
            # the way to the scheduler leads through the gateway; what waited for a result is told that it was lost
            with contextlib.suppress(FutureCancelledError):
                assert await total.result() == sum(range(TASKS))
            # the same client has come back, to the computation that has gone on, and nothing of it was done twice
            assert await (await client.get_dataset("total")).result() == sum(range(TASKS))
            assert done(tmp_path) == [1] * TASKS
            assert await client.submit(sum, client.map(busy, range(20), seconds=0.01, pure=False)).result() == 190
        await gateway.wait(bed.ana, name, lambda each: each["workers"] == 2)
        async with connected(gateway, bed.ana, name) as another:
            assert await another.submit(busy, 7, seconds=0.01, pure=False).result() == 7
        assert {each.pid for each in gateway.processes()} == before
        assert [lease["state"] for lease in await bed.leases()] == ["active"]
        await gateway.call("DELETE", f"v1/clusters/{name}", bed.ana)
        await bed.settled("ended")

        async def is_clean() -> bool:
            return not gateway.processes()

        await until(is_clean, 10, gateway.log)
