"""Real KubeSpawner on the emulated cluster: its reflectors list and watch, it starts a pod, polls it and stops it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from jupyterhub.objects import Hub
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration, CoreV1Api
from kubespawner import KubeSpawner
from kubespawner.reflector import ResourceReflector
from kubespawner.spawner import PodReflector
from traitlets.config import Config

from tests.support.kube import KubeBed, Rule

pytest_plugins = ["tests.support.kube.fixtures"]
#: What KubeSpawner does to a cluster, and no more.
RULES = [
    Rule(("get", "list", "watch", "create", "delete"), ("pods",), "science", ("",)),
    Rule(("get", "list", "watch"), ("events",), "science", ("",)),
    Rule(("create",), ("persistentvolumeclaims",), "science", ("",)),
]


class Spawner(KubeSpawner):
    """Stock, but for reflectors that no other test shares."""

    reflectors: ClassVar[dict[Any, ResourceReflector]] = {}


class User(SimpleNamespace):
    """As much of the hub's user as a spawner asks for."""

    def __init__(self, name: str) -> None:
        server = SimpleNamespace(base_url=f"/user/{name}/")
        super().__init__(name=name, escaped_name=name, server=server, url=f"/user/{name}/", id=1)


@pytest.fixture
async def api(kube_bed: KubeBed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CoreV1Api]:
    """The client that KubeSpawner makes of a kubeconfig, which here is one with its rights only."""
    monkeypatch.setattr("kubespawner.spawner.load_config", lambda **arguments: None)
    token = kube_bed.add_token("system:serviceaccount:hub:hub", RULES)
    await config.load_kube_config(str(kube_bed.kubeconfig(tmp_path / "config", "science", token=token)))
    async with ApiClient() as client:
        yield CoreV1Api(client)
    Configuration.set_default(None)


@pytest.fixture
async def spawner(api: CoreV1Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubeSpawner]:
    monkeypatch.setattr("kubespawner.spawner.shared_client", lambda kind: api)
    monkeypatch.setattr("kubespawner.reflector.shared_client", lambda kind: api)
    settings = {
        "namespace": "science",
        "cmd": ["sleep", "300"],
        "image": "jupyter:1",
        "storage_pvc_ensure": True,
        "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}],
        "storage_capacity": "1Gi",
    }
    made = Spawner(hub=Hub(), user=User("ana"), config=Config(Spawner=settings), _mock=True)
    made.api_token = "hub-token"
    yield made
    await Spawner._stop_all_reflectors()
    Spawner.reflectors.clear()


async def until(holds: Callable[[], Any]) -> None:
    ends_at = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < ends_at, "it never came about"
        await asyncio.sleep(0.01)


async def test_a_reflector_follows_pods(
    kube_bed: KubeBed, api: CoreV1Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("kubespawner.reflector.shared_client", lambda kind: api)
    labels = {"component": "singleuser-server"}
    container = {"name": "notebook", "image": "jupyter:1", "command": ["sleep", "300"]}
    manifest = {"metadata": {"name": "before", "labels": labels}, "spec": {"containers": [container]}}
    kube_bed.put("pods", "science", manifest)
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
