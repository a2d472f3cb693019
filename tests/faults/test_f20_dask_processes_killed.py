"""F20: workers are killed under a computation, and its scheduler: a right result or a clean error, and free quota."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.support.dask_bed import running_dask_bed
from tests.support.dask_client import busy, connected

pytestmark = pytest.mark.slow


async def test_the_result_is_right_though_workers_are_killed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running_dask_bed(tmp_path, caplog) as bed:
        gateway = bed.gateway
        name = await gateway.running(bed.ana, workers=3)
        async with connected(gateway, bed.ana, name) as client:
            futures = client.map(busy, range(120), seconds=0.05, pure=False)
            total = client.submit(sum, futures)
            await asyncio.sleep(0.5)
            nanny = gateway.processes_with("--name")[0]
            for process in (nanny, *nanny.children(recursive=True)):
                process.send_signal(signal.SIGKILL)
            assert await total.result() == sum(range(120))
        [lease] = await bed.leases()
        assert lease["resources"]["cpu"] == 4.0


async def test_a_killed_scheduler_is_a_clean_error_and_frees_the_quota(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_dask_bed(tmp_path, caplog) as bed:
        gateway = bed.gateway
        name = await gateway.running(bed.ana, workers=1)
        async with connected(gateway, bed.ana, name) as client:
            future = client.submit(busy, 1, seconds=60, pure=False)
            await asyncio.sleep(0.5)
            scheduler = gateway.processes_with("scheduler")[0]
            scheduler.send_signal(signal.SIGKILL)
            with pytest.raises(Exception, match=r"(?i)cancel|closed|lost|scheduler"):
                async with asyncio.timeout(30):
                    await future.result()
        await gateway.wait(bed.ana, name, lambda each: each["state"] == "failed")
        await bed.settled("ended")
        assert gateway.processes() == []
        for quota in (await bed.control.get("quotas", bed.control.ana)).body["items"]:
            assert quota["used"] == 0, quota
        await gateway.running(bed.ana, workers=3)
