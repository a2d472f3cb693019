"""The backend for Kubernetes on leases, with stand-ins for the cluster's API and control."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from dask_gateway_server.app import DaskGateway
from dask_gateway_server.backends.base import PublicException
from kubernetes_asyncio.client.rest import ApiException

from perijove.models import Resources
from perijove_hub.dask.governed import GovernedBackend
from perijove_hub.dask.kubernetes import PerijoveKubeBackend
from perijove_hub.dask.refusals import StartRefused
from perijove_hub.dask.standing import Standing
from tests.support.kube_bed import ANA, Bed, beat, kube_bed


@pytest.fixture
def bed(monkeypatch: pytest.MonkeyPatch) -> Bed:
    return kube_bed(monkeypatch)


async def test_an_object_is_made_on_a_lease_and_marked_with_it(bed: Bed) -> None:
    name = await bed.backend.start_cluster(ANA, {"title": "Mosaic"})
    assert (bed.control.asked.owner, bed.control.asked.groups, bed.control.asked.name) == ("ana", ["astro"], "Mosaic")
    assert bed.control.asked.resources == Resources(cpu=1, memory_gib=2)
    spec = bed.cluster.objects[name]["spec"]
    assert spec["config"]["environment"]["PERIJOVE_LEASE_ID"] == "1" * 32
    assert spec["config"]["environment"]["PERIJOVE_LEASE_TOKEN"] == "t-token"
    assert spec["config"]["idle_timeout"] == 0
    assert spec["options"]["title"] == "Mosaic"
    assert list(bed.backend.pending_attempts) == [bed.control.asked.attempt_id]


async def test_a_refusal_makes_no_object_and_leaves_no_attempt(bed: Bed) -> None:
    bed.control.cores = 0.5
    with pytest.raises(StartRefused, match=r"^Limit cores reached\.$"):
        await bed.backend.start_cluster(ANA, {})
    assert bed.cluster.objects == {}
    assert bed.backend.pending_attempts == {}


async def test_what_could_not_be_made_gives_its_lease_back(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*args: Any) -> None:
        raise OSError("503")

    monkeypatch.setattr(bed.cluster, "create_namespaced_custom_object", refuse)
    with pytest.raises(OSError, match="503"):
        await bed.backend.start_cluster(ANA, {})
    assert [patch.state for patch in bed.control.patches] == ["ended"]
    assert bed.backend.pending_attempts == {}


async def test_replicas_are_those_that_were_granted(bed: Bed) -> None:
    name = await bed.start()
    await bed.backend.on_cluster_heartbeat(name, beat(10))
    assert bed.cluster.patched[-1] == {"op": "add", "path": "/spec/replicas", "value": 3}
    assert bed.control.held == Resources(cpu=4, memory_gib=8)
    standing = bed.backend.standings[name]
    assert (standing.granted, standing.wanted) == (3, 10)
    assert standing.capped == "3 of 10 workers fit. Limit cores reached."


async def test_pods_that_are_still_there_are_still_held(bed: Bed) -> None:
    name = await bed.start()
    await bed.backend.on_cluster_heartbeat(name, beat(3))
    bed.cluster.pods = ["Running", "Pending", "Succeeded", "Failed"]
    await bed.backend.on_cluster_heartbeat(name, beat(0))
    assert bed.cluster.patched[-1]["value"] == 0
    assert bed.control.held.cpu == 3
    assert bed.cluster.selector == (
        f"gateway.dask.org/cluster={name.split('.')[1]},app.kubernetes.io/component=dask-worker"
    )
    bed.cluster.pods = []
    await bed.backend.sweeper.sweep()
    assert bed.control.held.cpu == 1


async def test_a_sweep_tells_of_what_runs_and_of_what_is_over(bed: Bed) -> None:
    name = await bed.start(phase="Pending")
    await bed.backend.sweeper.sweep()
    [seen] = bed.control.inventories[-1].attempts
    assert seen.attempt_id == bed.control.asked.attempt_id
    assert bed.backend.pending_attempts == {}
    await bed.see(name, "Failed")
    await bed.backend.sweeper.sweep()
    assert [(patch.state, patch.reason) for patch in bed.control.patches] == [("ended", "its scheduler did not start")]
    await bed.backend.sweeper.sweep()
    assert len(bed.control.patches) == 1


async def test_what_control_wants_gone_is_made_inactive(bed: Bed) -> None:
    name = await bed.start()
    bed.control.remove = [bed.control.asked.attempt_id]
    await bed.backend.sweeper.sweep()
    assert bed.cluster.patched[-1] == {"op": "add", "path": "/spec/active", "value": False}
    assert isinstance(bed.backend.standings[name], Standing)


async def test_item_30_only_allowed_images_run(bed: Bed) -> None:
    await bed.backend.start_cluster(ANA, {"image": "platform/dask:1"})
    with pytest.raises(PublicException, match="does not allow this image"):
        await bed.backend.start_cluster(ANA, {"image": "evil/miner:1"})
    bed.backend.allowed_images = [r"lab/[a-z]+:\d+"]
    await bed.backend.start_cluster(ANA, {"image": "lab/dask:2"})
    for wrong in ("lab/dask:2 ", "evil/lab/dask:2", "lab/dask:2@sha256:0", "lab/dask"):
        with pytest.raises(PublicException, match="does not allow this image"):
            await bed.backend.start_cluster(ANA, {"image": wrong})


@pytest.mark.parametrize("part", ["worker", "scheduler"])
async def test_item_30_an_image_that_is_given_to_the_container_alone_is_no_way_round(bed: Bed, part: str) -> None:
    bed.backend.cluster_options.handler = lambda options: {f"{part}_extra_container_config": {"image": options.image}}
    with pytest.raises(PublicException, match="does not allow this image"):
        await bed.backend.start_cluster(ANA, {"image": "evil/miner:1"})


@pytest.mark.parametrize("part", ["worker", "scheduler"])
@pytest.mark.parametrize("kind", ["containers", "initContainers", "ephemeralContainers"])
async def test_item_30_no_more_containers_bring_in_another_image_but_the_admins_own(
    bed: Bed, part: str, kind: str
) -> None:
    name, theirs = f"{part}_extra_pod_config", {kind: [{"name": "logs", "image": "platform/logs:1"}]}
    bed.backend.cluster_options.handler = lambda options: {name: {kind: [{"name": "x", "image": options.image}]}}
    with pytest.raises(PublicException, match="does not allow this image"):
        await bed.backend.start_cluster(ANA, {"image": "evil/miner:1"})
    bed.backend.config.KubeClusterConfig[name] = theirs
    bed.backend.cluster_options.handler = lambda options: {"idle_timeout": 60}
    await bed.backend.start_cluster(ANA, {})


async def test_clusters_are_stopped_when_idle_unless_an_admin_says_never(bed: Bed) -> None:
    assert (await bed.backend.need(ANA, {})).idle_stop_seconds == 1800
    name = await bed.start()
    assert bed.backend.standing(bed.backend.clusters[name]).marks.idle_stop_seconds == 1800
    bed.backend.config.KubeClusterConfig.idle_timeout = 0
    assert (await bed.backend.need(ANA, {})).idle_stop_seconds is None


@pytest.mark.parametrize("label", ["gateway.dask.org/cluster", "app.kubernetes.io/component"])
async def test_no_worker_hides_behind_a_label(bed: Bed, label: str) -> None:
    bed.backend.cluster_options.handler = lambda options: {"worker_extra_pod_labels": {label: "none"}}
    with pytest.raises(PublicException, match="labels of the gateway's own"):
        await bed.backend.start_cluster(ANA, {})


async def test_a_gateway_that_may_not_see_its_pods_does_not_start(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*args: Any, **more: Any) -> None:
        raise fault

    async def done(self: GovernedBackend, app: web.Application) -> None:
        """As if all else were there."""

    monkeypatch.setattr(GovernedBackend, "setup", done)
    monkeypatch.setattr(bed.cluster, "list_namespaced_pod", fail)
    fault = ApiException(status=403, reason="Forbidden")
    with pytest.raises(ValueError, match="give its role the verb `list` on `pods`"):
        await bed.backend.setup(web.Application())
    fault = ApiException(status=503, reason="Unavailable")
    await bed.backend.setup(web.Application())


async def test_gpus_are_asked_for_and_are_part_of_the_lease(bed: Bed) -> None:
    gpus = {"resources": {"limits": {"nvidia.com/gpu": 1}}}
    bed.backend.config.KubeClusterConfig.worker_extra_container_config = gpus
    name = await bed.start()
    await bed.backend.on_cluster_heartbeat(name, beat(2))
    assert bed.control.held == Resources(cpu=3, memory_gib=6, gpu=2)
    bed.backend.config.KubeClusterConfig.worker_extra_container_config = {"resources": {"limits": {"cpu": "many"}}}
    with pytest.raises(PublicException, match="is no quantity of Kubernetes"):
        await bed.backend.start_cluster(ANA, {})


async def test_a_gateway_without_its_settings_does_not_start(bed: Bed, tmp_path: Any) -> None:
    for name, value in (
        ("site", ""),
        ("control_url", ""),
        ("secret_path", ""),
        ("secret_path", str(tmp_path / "none")),
    ):
        backend = PerijoveKubeBackend(parent=DaskGateway())
        backend.site, backend.control_url, backend.secret_path = "cloud", "https://x.example", str(tmp_path / "s")
        setattr(backend, name, value)
        with pytest.raises(ValueError, match=f"c.PerijoveKubeBackend.{name}"):
            await backend.setup(web.Application())
