"""Clusters of Dask on a real control plane, by Dask Gateway's controller with our backend, under their rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control_bed import gateway_secret, running_control
from tests.support.control_plane import ControlPlane
from tests.support.dask_bed import QUOTAS, SCOPES, WallClock
from tests.support.dask_gateway import until
from tests.support.dask_kube import DEFINITIONS, KubeGateway, running_kube_gateway
from tests.support.kube.process_node import ProcessNode
from tests.support.platforms import site


@pytest.fixture(scope="module")
def defined(control_plane: ControlPlane) -> None:
    for each in DEFINITIONS:
        control_plane.target.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", each)
    clusters = "/apis/gateway.dask.org/v1alpha1/daskclusters"
    control_plane.target.until(lambda: control_plane.target.ask("GET", clusters).status == 200)


class Bed:
    """A gateway, control, and somebody."""

    def __init__(self, gateway: KubeGateway, control: Any, ana: str) -> None:
        self.gateway, self.control, self.ana = gateway, control, ana

    async def lease(self) -> dict[str, Any]:
        items = (await self.control.get("leases", self.control.admin, owner="*")).body["items"]
        return dict(items[0])

    async def when_lease(self, is_so: Any) -> dict[str, Any]:
        async def look() -> bool:
            return bool(is_so(await self.lease()))

        await until(look, 30, self.gateway.log)
        return await self.lease()

    async def new(self) -> str:
        status, body = await self.gateway.call("POST", "v1/clusters/", self.ana, {"cluster_options": {"title": "Sky"}})
        assert status == 201, body
        return str(body["name"])


@pytest.fixture
async def bed(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    control_plane: ControlPlane,
    process_node: ProcessNode,
    defined: None,
) -> AsyncIterator[Bed]:
    namespace = control_plane.target.namespace().rpartition("/")[2]
    dask = {"address": "http://127.0.0.1:1", "proxy_address": "gateway://127.0.0.1:1", "secret": "esac-dask"}
    sites = {"esac": site(cpu=8, price={"cpu_hour": 0.5}, dask=dask)}
    for part in ("control", "gateway"):
        (tmp_path / part).mkdir()
    async with (
        running_control(
            tmp_path / "control", caplog, clock=WallClock(), sites=sites, datasets={}, quotas=QUOTAS
        ) as control,
        running_kube_gateway(
            tmp_path / "gateway", control_plane, namespace, control_url=control.service_url,
            hub_api_url=control.hub.url, secret=gateway_secret("esac-dask"),
        ) as gateway,
    ):  # fmt: skip
        yield Bed(gateway, control, control.hub.add("ana", "astro", scopes=SCOPES))


async def test_a_cluster_starts_grows_as_far_as_its_limit_shrinks_and_ends(bed: Bed) -> None:
    gateway = bed.gateway
    name = await bed.new()
    running = await gateway.when(bed.ana, name, lambda each: each["state"] == "running")
    assert running["title"] == "Sky"
    assert len(gateway.pods("dask-scheduler")) == 1
    assert (await bed.when_lease(lambda lease: lease["state"] == "active"))["resources"]["cpu"] == 1
    assert await gateway.beat(name, 5) == 200

    async def workers(count: int) -> None:
        async def look() -> bool:
            return len(gateway.pods("dask-worker")) == count

        await until(look, 30, gateway.log)

    await workers(3)
    lease = await bed.lease()
    assert lease["resources"]["cpu"] == 4
    seen = await gateway.when(bed.ana, name, lambda each: each["capped"])
    assert "Limit cores allows 4 cores" in seen["capped"]
    # workers end by themselves when their scheduler lets go of them; until then they are held
    assert await gateway.beat(name, 1) == 200
    assert (await bed.lease())["resources"]["cpu"] == 4
    gateway.end(gateway.pods("dask-worker")[:2])
    await workers(1)
    await bed.when_lease(lambda lease: lease["resources"]["cpu"] == 2)
    assert (await gateway.call("DELETE", f"v1/clusters/{name}", bed.ana))[0] == 204
    stopped = await gateway.when(bed.ana, name, lambda each: each["state"] == "stopped")
    assert stopped["reason"] == "it was stopped"
    await bed.when_lease(lambda lease: lease["state"] == "ended")
    await workers(0)
    assert gateway.pods("dask-scheduler") == []


async def test_a_scheduler_that_fails_frees_its_room_and_its_owner_is_told(
    bed: Bed,
) -> None:
    bed.gateway.scheduler_runs("exit 1")
    name = await bed.new()
    failed = await bed.gateway.when(bed.ana, name, lambda each: each["state"] == "failed")
    # the node of this control plane has no door for logs
    assert failed["reason"] == "its scheduler did not start"
    assert (await bed.when_lease(lambda lease: lease["state"] == "ended"))["reason"] == failed["reason"]


async def test_what_an_admin_stops_is_gone_and_says_why(bed: Bed) -> None:
    name = await bed.new()
    await bed.gateway.when(bed.ana, name, lambda each: each["state"] == "running")
    lease = await bed.when_lease(lambda lease: lease["state"] == "active")
    body = {"reason": "new disks come in"}
    assert (await bed.control.call("POST", f"leases/{lease['id']}/stop", bed.control.admin, body=body)).status == 200
    stopped = await bed.gateway.when(bed.ana, name, lambda each: each["state"] == "stopped")
    assert stopped["reason"] == "root has stopped it: new disks come in"
