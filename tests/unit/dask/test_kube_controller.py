"""The controller for Kubernetes: the end of a scheduler's log is kept before its pod is deleted, whatever happens."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import pytest
from kubernetes_asyncio.client.rest import ApiException

from perijove_hub.dask import kube_controller
from perijove_hub.dask.kube_controller import PerijoveKubeController
from perijove_hub.dask.standing import LOG_TAIL_CHARS
from tests.support.kube_bed import Bed, kube_bed

STATUS = {"schedulerPod": "dask-scheduler-c1", "credentials": "secret-c1"}


@dataclass
class Pods:
    """The API of a Kubernetes cluster, as far as a controller calls it to clean up."""

    log: Any = "ModuleNotFoundError: No module named 'perijove'\n"
    fault: Exception | None = None
    hangs: bool = False
    done: list[str] = field(default_factory=list)

    async def read_namespaced_pod_log(self, name: str, namespace: str, **bounds: Any) -> Any:
        self.bounds = bounds
        self.done.append(f"log {namespace}/{name}")
        if self.fault is not None:
            raise self.fault
        if self.hangs:
            await asyncio.sleep(60)
        return self.log

    async def delete_namespaced_pod(self, name: str, namespace: str) -> None:
        self.done.append(f"delete {namespace}/{name}")

    async def delete_namespaced_secret(self, name: str, namespace: str) -> None:
        self.done.append(f"delete {namespace}/{name}")


@pytest.fixture
def pods() -> Pods:
    return Pods()


@pytest.fixture
def controller(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> PerijoveKubeController:
    monkeypatch.setenv("DASK_GATEWAY_INSTANCE", "test")
    made = PerijoveKubeController()
    made.core_client = pods
    return made


async def test_the_end_of_a_log_is_kept_before_the_pod_goes(controller: PerijoveKubeController, pods: Pods) -> None:
    status = dict(STATUS)
    await controller.cleanup_cluster_resources(status, "lab")
    assert status["perijoveLogTail"] == "[scheduler]\nModuleNotFoundError: No module named 'perijove'"
    assert pods.done == ["log lab/dask-scheduler-c1", "delete lab/dask-scheduler-c1", "delete lab/secret-c1"]
    assert pods.bounds == {"container": "dask-scheduler", "tail_lines": 60, "limit_bytes": 24_000}
    await controller.cleanup_cluster_resources(status, "lab")  # a round that is repeated asks no more
    assert pods.done.count("log lab/dask-scheduler-c1") == 1


async def test_no_log_is_longer_than_is_shown(controller: PerijoveKubeController, pods: Pods) -> None:
    pods.log, status = "x" * 100_000 + "\x00end", dict(STATUS)
    await controller.cleanup_cluster_resources(status, "lab")
    assert len(status["perijoveLogTail"]) <= LOG_TAIL_CHARS + 20
    assert status["perijoveLogTail"].endswith("x\ufffdend")


@pytest.mark.parametrize("what", ["forbidden", "away", "hangs", "empty"])
async def test_a_pod_goes_also_without_its_log(
    controller: PerijoveKubeController, pods: Pods, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    controller.log.setLevel(logging.CRITICAL)
    monkeypatch.setattr(kube_controller, "LOG_SECONDS", 0.05)
    pods.fault = {"forbidden": ApiException(status=403, reason="Forbidden"), "away": OSError("away")}.get(what)
    pods.hangs, pods.log, status = what == "hangs", "" if what == "empty" else "text", dict(STATUS)
    await controller.cleanup_cluster_resources(status, "lab")
    assert status == STATUS
    assert pods.done[1:] == ["delete lab/dask-scheduler-c1", "delete lab/secret-c1"]


async def test_a_gateway_tells_the_end_of_a_log_without_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    bed: Bed = kube_bed(monkeypatch)
    name = await bed.start("Pending")
    token = bed.cluster.objects[name]["spec"]["config"]["environment"]["PERIJOVE_LEASE_TOKEN"]
    assert token == "t-token"
    await bed.see(name, "Failed", perijoveLogTail=f"[scheduler]\n{token}\nModuleNotFoundError: perijove")
    view = bed.backend.view(bed.backend.clusters[name])
    assert view is not None
    assert view.log_tail == "[scheduler]\n…\nModuleNotFoundError: perijove"
    assert view.reason == "its scheduler did not start: ModuleNotFoundError: perijove"
    await bed.backend.sweeper.settle_ended()
    assert bed.control.patches[-1].log_tail == view.log_tail
