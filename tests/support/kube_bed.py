"""The backend for Kubernetes on leases: Dask Gateway's own class, with stand-ins for the cluster's API and control."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from dask_gateway_server.app import DaskGateway
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
from perijove_hub.dask.scheduler import SchedulerState
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
    #: What it answers instead, to all or to those of these states.
    fault: Exception | None = None
    fault_states: tuple[str | None, ...] = ("active", "ended", None)
    #: Why a lease is over, as it says itself.
    reason: str | None = None
    #: What it was told of a lease.
    kept_until: datetime | None = None
    log_tail: str | None = None

    async def ask_cluster(self, request: ClusterRequest) -> LeaseOffer:
        if request.resources.cpu > self.cores:
            raise ControlRefused(Problem(title="Limit reached", status=403, detail="Limit cores\nreached."))
        self.asked, self.held = request, request.resources
        spec = SpawnSpec(resources=request.resources, policy_version="1")
        made = {"candidates": [], "spawn": spec, "explanation": Explanation(summary=""), "token": "t-token"}
        return LeaseOffer(id="1" * 32, attempt_id=request.attempt_id, **made)

    async def patch_cluster(self, lease_id: str, patch: GatewayPatch) -> ClusterLease:
        if self.fault is not None and patch.state in self.fault_states:
            raise self.fault
        self.patches.append(patch)
        capped = None
        if patch.resources is not None:
            self.held = patch.resources
            while self.held.cpu > self.cores and patch.step is not None:
                capped = "Limit cores reached."
                self.held = Resources(
                    cpu=self.held.cpu - patch.step.cpu, memory_gib=self.held.memory_gib - patch.step.memory_gib
                )
        self.kept_until = patch.kept_until or self.kept_until
        self.log_tail = self.log_tail or patch.log_tail
        lease = await self.lease(lease_id)
        return ClusterLease(lease=lease, capped=capped, kept_until=self.kept_until, log_tail=self.log_tail)

    async def lease(self, lease_id: str) -> Lease:
        said: dict[str, Any] = {
            "id": lease_id, "attempt_id": self.asked.attempt_id, "owner": "ana", "kind": Kind.CLUSTER, "name": "",
            "site": "cloud", "state": LeaseState.ACTIVE, "resources": self.held, "created": now(), "started": now(),
            "ended": None, "reason": self.reason, "cost": 0, "explanation": Explanation(summary=""),
        }  # fmt: skip
        return Lease(**said)

    async def report_clusters(self, site: str, inventory: Inventory) -> InventoryAnswer:
        if self.fault is not None:
            raise self.fault
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

    seen: dict[str, Any] = field(default_factory=dict)
    #: What schedulers say of themselves; None: they do not answer.
    says: SchedulerState | None = None

    async def look(self, *args: Any, **more: Any) -> SchedulerState | None:
        return self.says

    async def see(
        self, name: str, phase: str = "Running", created: str = "2026-03-01T12:00:00Z", **status: Any
    ) -> None:
        """The backend's watch has seen the object, in this phase."""
        made = self.cluster.objects[name]
        namespace = name.split(".")[0]
        metadata = made["metadata"] | {"namespace": namespace, "creationTimestamp": created}
        self.seen[name] = made | {"metadata": metadata, "status": {"phase": phase, "service": "scheduler", **status}}
        self.backend.informer = SimpleNamespace(get=self.seen.get)
        await self.backend.sync_cluster(name)

    async def start(self, phase: str = "Running", **options: Any) -> str:
        """A cluster of hers in this phase; its name."""
        name = await self.backend.start_cluster(ANA, options)
        await self.see(name, phase, created=f"{now():%Y-%m-%dT%H:%M:%SZ}")
        return str(name)


def beat(count: int) -> dict[str, Any]:
    return {"count": count, "active_workers": [], "closing_workers": [], "closed_workers": []}


def kube_bed(monkeypatch: pytest.MonkeyPatch) -> Bed:
    """A backend that has come up."""
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
    backend.session = None
    backend.cluster_waiters = defaultdict(Flag)
    bed = Bed(backend, control, cluster)
    monkeypatch.setattr("perijove_hub.dask.governed.look_at_scheduler", bed.look)
    return bed
