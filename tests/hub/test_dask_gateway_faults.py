"""What breaks under clusters: the gateway, its record, schedulers, workers, control; and idle ones are stopped."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from perijove_hub.controller.hub_client import HubClient
from perijove_hub.controller.stops import Stops
from tests.support.dask_bed import running_dask_bed
from tests.support.dask_gateway import until

pytestmark = pytest.mark.slow


async def test_a_killed_gateway_finds_its_clusters_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running_dask_bed(tmp_path, caplog) as bed:
        gateway = bed.gateway
        name = await gateway.running(bed.ana, workers=2, title="Mosaic")
        await gateway.call("POST", f"v1/clusters/{name}/adapt", bed.ana, {"minimum": 2, "maximum": 3})
        before = {each.pid for each in gateway.processes()}
        gateway.kill()
        assert {each.pid for each in gateway.processes()} == before
        await gateway.start()
        again = await gateway.wait(bed.ana, name, lambda each: each["workers"] == 2 and each["workers_granted"] == 2)
        assert (again["state"], again["title"]) == ("running", "Mosaic")
        assert again["adaptive"] == {"minimum": 2, "maximum": 3}
        await asyncio.sleep(2.5)  # sweeps
        assert {each.pid for each in gateway.processes()} == before
        [lease] = await bed.leases()
        assert (lease["state"], lease["resources"]["cpu"]) == ("active", 3.0)
        await gateway.call("POST", f"v1/clusters/{name}/scale", bed.ana, {"count": 3})
        await gateway.wait(bed.ana, name, lambda each: each["workers"] == 3)


async def test_a_gateway_that_lost_its_record_leaves_no_orphan_after_one_sweep(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_dask_bed(tmp_path, caplog) as bed:
        gateway = bed.gateway
        await gateway.running(bed.ana, workers=1)
        gateway.kill()
        (gateway.told.directory / "gateway.db").unlink()
        await gateway.start()

        async def is_clean() -> bool:
            return not gateway.processes()

        await until(is_clean, 10, gateway.log)
        admission, state = bed.control.state.admission, ""
        for _ in range(40):
            await admission.sweep()
            state = (await bed.leases())[0]["state"]
            if state != "active":
                break
            await asyncio.sleep(0.5)
        assert state == "failed"
        assert (await bed.leases())[0]["reason"] == "the gateway of esac does not know it"


async def test_a_killed_scheduler_frees_the_quota_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_dask_bed(tmp_path, caplog) as bed:
        gateway = bed.gateway
        name = await gateway.running(bed.ana, workers=1)
        gateway.processes_with("scheduler")[0].send_signal(signal.SIGKILL)
        failed = await gateway.wait(bed.ana, name, lambda each: each["state"] == "failed")
        assert failed["reason"].startswith("its scheduler was lost")
        assert "[scheduler]" in failed["log_tail"]
        lease = await bed.settled("ended")
        assert lease["reason"].startswith("its scheduler was lost")
        assert gateway.processes() == []
        for quota in (await bed.control.get("quotas", bed.control.ana)).body["items"]:
            assert quota["used"] == 0, quota


async def test_killed_workers_come_back_within_the_lease(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running_dask_bed(tmp_path, caplog) as bed:
        gateway = bed.gateway
        await gateway.running(bed.ana, workers=2)
        nannies = gateway.processes_with("--name")
        for process in (nannies[0], *nannies[0].children(recursive=True)):
            process.kill()
        killed = nannies[0].pid

        async def has_two_again() -> bool:
            pids = {each.pid for each in gateway.processes_with("--name")}
            [seen] = await gateway.clusters(bed.ana)
            return killed not in pids and len(pids) == 2 and seen["workers"] == 2

        await until(has_two_again, 30, gateway.log)
        assert (await bed.leases())[0]["resources"]["cpu"] == 3.0


async def test_without_control_nothing_starts_or_grows_and_what_runs_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    more = {"PerijoveLocalBackend": {"ask_seconds": 0.5}}
    async with running_dask_bed(tmp_path, caplog, more) as bed:
        gateway = bed.gateway
        name = await gateway.running(bed.ana, workers=1)
        with bed.control.out_of_order():
            status, body = await gateway.call("POST", "v1/clusters/", bed.ana, {"cluster_options": {}})
            assert (status, body["error"].startswith("The platform cannot be asked now")) == (503, True)
            await gateway.call("POST", f"v1/clusters/{name}/scale", bed.ana, {"count": 2})
            short = await gateway.wait(bed.ana, name, lambda each: each["capped"] is not None)
            assert short["capped"] == "The platform cannot be asked for more now."
            assert (short["state"], short["workers"], short["workers_wanted"]) == ("running", 1, 2)
        grown = await gateway.wait(bed.ana, name, lambda each: each["workers"] == 2)
        assert grown["capped"] is None


async def test_an_idle_cluster_is_stopped_unless_it_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running_dask_bed(tmp_path, caplog, idle_choices={"4 seconds": 4}) as bed:
        gateway = bed.gateway
        kept = await gateway.running(bed.ana)
        status, said = await gateway.call("POST", f"perijove/v1/clusters/{kept}/keep", bed.ana, {"minutes": 1})
        assert status == 200
        assert said["idle_stop_at"] is not None
        # whoever asks for less takes nothing back
        await gateway.call("POST", f"perijove/v1/clusters/{kept}/keep", bed.ana, {"minutes": 30})
        _, less = await gateway.call("POST", f"perijove/v1/clusters/{kept}/keep", bed.ana, {"minutes": 1})
        assert datetime.fromisoformat(less["idle_stop_at"]) - datetime.now(UTC) > timedelta(minutes=25)
        assert (await gateway.call("POST", f"perijove/v1/clusters/{kept}/keep", bed.ana, {"minutes": 31}))[0] == 422
        left = await gateway.new(bed.bob)
        stopped = await gateway.wait(bed.bob, left, lambda each: each["state"] == "stopped")
        assert stopped["reason"] == "nothing ran in it for 4 seconds"
        [mine] = await gateway.clusters(bed.ana)
        assert mine["state"] == "running"
        assert (await bed.settled("ended"))["reason"] == "nothing ran in it for 4 seconds"
        # one that comes up again has it from the lease
        gateway.kill()
        await gateway.start()
        again = await gateway.wait(bed.bob, left, lambda each: each["reason"] != "it was stopped")
        assert again["reason"] == "nothing ran in it for 4 seconds"
        until = less["idle_stop_at"]
        await gateway.wait(bed.ana, kept, lambda each: each["state"] == "running" and each["idle_stop_at"] == until)


async def test_a_closing_site_stops_its_clusters_and_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running_dask_bed(tmp_path, caplog) as bed:
        gateway, control = bed.gateway, bed.control
        name = await gateway.running(bed.ana, title="Mosaic")
        now, hub = control.clock(), HubClient(control.hub.url, control.hub.own_token)
        closure = {"site": "esac", "reason": "new disks", "stops_at": (now + timedelta(seconds=2)).isoformat()}
        answer = await control.call("POST", "closures", control.admin, body=closure)
        assert answer.status == 201, answer.text
        stops = Stops(control.state.database, control.state.platform, control.clock, hub)

        async def is_decided() -> bool:
            return bool((await stops.carry_out()).stops)

        await until(is_decided, 15, gateway.log)
        stopped = await gateway.wait(bed.ana, name, lambda each: each["state"] == "stopped")
        lease = await bed.settled("ended")
        assert lease["reason"] == stopped["reason"] == "ESAC is drained: new disks"
        await stops.carry_out()
        notices = (await control.get("notices", control.ana)).body["items"]
        assert notices[-1]["message"] == "Your cluster Mosaic was stopped: ESAC is drained: new disks."
        await hub.close()
