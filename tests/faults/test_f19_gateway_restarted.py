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


async def test_a_computation_outlives_its_gateway(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running_dask_bed(tmp_path, caplog) as bed:
        gateway = bed.gateway
        name = await gateway.running(bed.ana, workers=2)
        before = {each.pid for each in gateway.processes()}
        async with connected(gateway, bed.ana, name) as client:
            futures = client.map(busy, range(60), seconds=0.1, pure=False)
            total = client.submit(sum, futures)
            gateway.kill()
            await gateway.start()
            # the way to the scheduler leads through the gateway; what waited for a result is told that it was lost
            with contextlib.suppress(FutureCancelledError):
                assert await total.result() == sum(range(60))
            # the same client has come back
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
