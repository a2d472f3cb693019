"""The backend for Kubernetes on leases: Dask Gateway's own class, with stand-ins for the cluster's API and control."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from dask_gateway_server.app import DaskGateway
from dask_gateway_server.backends.base import PublicException
from dask_gateway_server.models import User
from dask_gateway_server.options import Options, String
from dask_gateway_server.utils import Flag

from perijove.models import (
    ClusterLease,
    ClusterRequest,
    Explanation,
    GatewayPatch,
    Inventory,
    InventoryAnswer,
    Kind,
    Lease,
    LeaseOffer,
    LeaseState,
    Problem,
    Resources,
    SpawnSpec,
)
from perijove_hub.admission.client import ControlRefused
from perijove_hub.dask.kubernetes import PerijoveKubeBackend
from perijove_hub.dask.standing import Standing
from perijove_hub.dask.sweep import Sweeper
from perijove_hub.dask.times import now

ANA = User("ana", ["astro"])


@dataclass
class Control:
    """Grants up to so many cores; keeps what it was asked."""

    cores: float = 4
    held: Resources = field(default_factory=lambda: Resources(cpu=1, memory_gib=2))
    patches: list[GatewayPatch] = field(default_factory=list)
    inventories: list[Inventory] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)

    async def ask_cluster(self, request: ClusterRequest) -> LeaseOffer:
        if request.resources.cpu > self.cores:
            raise ControlRefused(Problem(title="Limit reached", status=403, detail="Limit cores\nreached."))
        self.asked, self.held = request, request.resources
        spec = SpawnSpec(resources=request.resources, policy_version="1")
        made = {"candidates": [], "spawn": spec, "explanation": Explanation(summary=""), "token": "t"}
        return LeaseOffer(id="1" * 32, attempt_id=request.attempt_id, **made)

    async def patch_cluster(self, lease_id: str, patch: GatewayPatch) -> ClusterLease:
        self.patches.append(patch)
        capped = None
        if patch.resources is not None:
            self.held = patch.resources
            while self.held.cpu > self.cores and patch.step is not None:
                capped = "Limit cores reached."
                self.held = Resources(
                    cpu=self.held.cpu - patch.step.cpu, memory_gib=self.held.memory_gib - patch.step.memory_gib
                )
        said: dict[str, Any] = {
            "id": lease_id, "attempt_id": self.asked.attempt_id, "owner": "ana", "kind": Kind.CLUSTER, "name": "",
            "site": "cloud", "state": LeaseState.ACTIVE, "resources": self.held, "created": now(), "started": now(),
            "ended": None, "reason": None, "cost": 0, "explanation": Explanation(summary=""),
        }  # fmt: skip
        return ClusterLease(lease=Lease(**said), capped=capped)

    async def report_clusters(self, site: str, inventory: Inventory) -> InventoryAnswer:
        self.inventories.append(inventory)
        return InventoryAnswer(remove=self.remove)


@dataclass
class Cluster:
    """The API of a Kubernetes cluster, as far as the backend calls it, for one object."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: list[str] = field(default_factory=list)
    patched: list[Any] = field(default_factory=list)

    async def create_namespaced_custom_object(
        self, group: str, version: str, namespace: str, kind: str, body: Any
    ) -> None:
        self.objects[f"{namespace}.{body['metadata']['name']}"] = body

    async def patch_namespaced_custom_object(
        self, group: str, version: str, namespace: str, kind: str, name: str, body: list[Any]
    ) -> None:
        self.patched += body
        for each in body:
            self.objects[f"{namespace}.{name}"]["spec"][each["path"].removeprefix("/spec/")] = each["value"]

    async def list_namespaced_pod(self, namespace: str, label_selector: str) -> Any:
        self.selector = label_selector
        return SimpleNamespace(items=[SimpleNamespace(status=SimpleNamespace(phase=phase)) for phase in self.pods])


@dataclass
class Bed:
    backend: PerijoveKubeBackend
    control: Control
    cluster: Cluster

    async def see(self, name: str, phase: str = "Running") -> None:
        """The backend's watch has seen the object, in this phase."""
        made = self.cluster.objects[name]
        namespace = name.split(".")[0]
        metadata = made["metadata"] | {"namespace": namespace, "creationTimestamp": "2026-03-01T12:00:00Z"}
        seen = made | {"metadata": metadata, "status": {"phase": phase, "service": "scheduler"}}
        self.backend.informer = SimpleNamespace(get=lambda key: seen if key == name else None)
        await self.backend.sync_cluster(name)

    async def start(self, **options: Any) -> str:
        name = await self.backend.start_cluster(ANA, options)
        await self.see(name)
        return str(name)


async def silent(*args: Any, **more: Any) -> None:
    """A scheduler that does not answer."""


def beat(count: int) -> dict[str, Any]:
    return {"count": count, "active_workers": [], "closing_workers": [], "closed_workers": []}


@pytest.fixture
def bed(monkeypatch: pytest.MonkeyPatch) -> Bed:
    monkeypatch.setenv("DASK_GATEWAY_INSTANCE", "test")
    gateway = DaskGateway()
    backend = PerijoveKubeBackend(parent=gateway)
    backend.site, backend.control_url = "cloud", "https://science.example/services/perijove"
    backend.cluster_options = Options(
        String("image", default="platform/dask:1"), handler=lambda options: {"image": options.image}
    )
    backend.config.KubeClusterConfig.image = "platform/dask:1"
    cluster, control = Cluster(), Control()
    backend.custom_client = backend.core_client = cluster
    backend.control, backend.standings, backend.pending_attempts, backend.began = control, {}, {}, now()
    backend.clusters, backend.username_to_clusters = {}, {"ana": {}}
    backend.sweeper = Sweeper(backend)
    monkeypatch.setattr("perijove_hub.dask.governed.look_at_scheduler", silent)
    backend.session = None
    backend.cluster_waiters = defaultdict(Flag)
    return Bed(backend, control, cluster)


async def test_an_object_is_made_on_a_lease_and_marked_with_it(bed: Bed) -> None:
    name = await bed.backend.start_cluster(ANA, {"title": "Mosaic"})
    assert (bed.control.asked.owner, bed.control.asked.groups, bed.control.asked.name) == ("ana", ["astro"], "Mosaic")
    assert bed.control.asked.resources == Resources(cpu=1, memory_gib=2)
    spec = bed.cluster.objects[name]["spec"]
    assert spec["config"]["environment"]["PERIJOVE_LEASE_ID"] == "1" * 32
    assert spec["config"]["environment"]["PERIJOVE_LEASE_TOKEN"] == "t"
    assert spec["config"]["idle_timeout"] == 0
    assert spec["options"]["title"] == "Mosaic"
    assert list(bed.backend.pending_attempts) == [bed.control.asked.attempt_id]


async def test_a_refusal_makes_no_object_and_leaves_no_attempt(bed: Bed) -> None:
    bed.control.cores = 0.5
    with pytest.raises(PublicException, match=r"^Limit cores reached\.$"):
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
    assert (standing.granted, standing.wanted, standing.capped) == (3, 10, "Limit cores reached.")


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
    name = await bed.start()
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


async def test_only_allowed_images_run(bed: Bed) -> None:
    await bed.backend.start_cluster(ANA, {"image": "platform/dask:1"})
    with pytest.raises(PublicException, match="does not allow this image"):
        await bed.backend.start_cluster(ANA, {"image": "evil/miner:1"})
    bed.backend.allowed_images = [r"lab/[a-z]+:\d+"]
    await bed.backend.start_cluster(ANA, {"image": "lab/dask:2"})
    for wrong in ("lab/dask:2 ", "evil/lab/dask:2", "lab/dask:2@sha256:0", "lab/dask"):
        with pytest.raises(PublicException, match="does not allow this image"):
            await bed.backend.start_cluster(ANA, {"image": wrong})


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
