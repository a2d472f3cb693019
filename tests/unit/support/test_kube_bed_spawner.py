"""Real KubeSpawner on the emulated cluster: its reflectors list and watch, it starts a pod, polls it and stops it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from kubespawner import KubeSpawner
from kubespawner.spawner import PodReflector

from tests.support.kube import KubeBed
from tests.support.kube.stock_spawner import stock_client, stock_rules, stock_spawner

pytest_plugins = ["tests.support.kube.fixtures"]


@pytest.fixture
def kubeconfig(kube_bed: KubeBed, tmp_path: Path) -> Path:
    """As one who may do what KubeSpawner does, and no more."""
    token = kube_bed.add_account("hub", "hub", stock_rules("science"))
    return kube_bed.kubeconfig(tmp_path / "config", "science", token=token)


@pytest.fixture
async def spawner(kubeconfig: Path) -> AsyncIterator[KubeSpawner]:
    volume = {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}
    settings = {"storage_pvc_ensure": True, "storage_capacity": "1Gi", "volumes": [volume]}
    command = {"cmd": ["sleep", "300"], "image": "jupyter:1"}
    async with stock_spawner(kubeconfig, "ana", namespace="science", **settings, **command) as made:
        yield made


async def until(holds: Callable[[], Any]) -> None:
    ends_at = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < ends_at, "it never came about"
        await asyncio.sleep(0.01)


async def test_a_reflector_follows_pods(kube_bed: KubeBed, kubeconfig: Path, caplog: pytest.LogCaptureFixture) -> None:
    labels = {"component": "singleuser-server"}
    container = {"name": "notebook", "image": "jupyter:1", "command": ["sleep", "300"]}
    manifest = {"metadata": {"name": "before", "labels": labels}, "spec": {"containers": [container]}}
    kube_bed.put("pods", "science", manifest)
    async with stock_client(kubeconfig):
        reflector = PodReflector(parent=KubeSpawner(_mock=True), namespace="science", labels=labels)
        await reflector.start()
        try:
            assert list(reflector.pods) == ["science/before"]
            await until(lambda: any(request.verb == "watch" for request in kube_bed.requests))
            kube_bed.put("pods", "science", {**manifest, "metadata": {"name": "after", "labels": labels}})
            await until(lambda: (reflector.pods.get("science/after") or {}).get("status", {}).get("phase") == "Running")
            kube_bed.delete("pods", "science", "before")
            await until(lambda: list(reflector.pods) == ["science/after"])
        finally:
            await reflector.stop()
    asked = {(request.verb, request.query.get("resourceVersionMatch")) for request in kube_bed.requests}
    assert asked == {("list", None), ("list", "NotOlderThan"), ("watch", None)}
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_reflector_lists_again_after_the_cluster_forgot(kube_bed: KubeBed, spawner: KubeSpawner) -> None:
    await spawner._start_watching_pods()
    await until(lambda: any(request.verb == "watch" for request in kube_bed.requests))
    with kube_bed.dark():
        kube_bed.compact()
    pod = {"metadata": {"name": "p", "labels": {"component": "singleuser-server"}}}
    kube_bed.put("pods", "science", {**pod, "spec": {"containers": [{"name": "c", "image": "x:1"}]}})
    await until(lambda: "science/p" in spawner.pod_reflector.pods)


async def test_a_server_starts_is_polled_and_stops(kube_bed: KubeBed, spawner: KubeSpawner) -> None:
    url = await spawner.start()
    [pod] = kube_bed.objects("pods", "science")
    assert url == f"http://{pod['status']['podIP']}:8888"
    assert await spawner.poll() is None
    [claim] = kube_bed.objects("persistentvolumeclaims", "science")
    assert claim["status"]["phase"] == "Bound"
    reasons = {event["reason"] for event in spawner.events}
    assert {"Scheduled", "Started"} <= reasons
    await spawner.stop()
    assert kube_bed.objects("pods", "science") == []
    assert await spawner.poll() is not None
    assert {request.status for request in kube_bed.requests} <= {200, 201}
