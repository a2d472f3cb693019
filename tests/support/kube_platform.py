"""A platform whose sites are two clusters of Kubernetes: real hub, control and controller, emulated clusters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster_platform import NAMESPACE, ClusterPlatform
from tests.support.kube import KubeBed, Rule

#: Exactly what the chart of a site grants the hub; a test of the charts compares.
HUB_RIGHTS = [
    Rule(["get", "list", "watch", "create", "delete"], ["pods"]),
    Rule(["get"], ["pods/log"]),
    Rule(["get", "create"], ["persistentvolumeclaims"]),
    Rule(["get", "list", "watch"], ["events"]),
]

PLATFORM = """\
admission: {offer_seconds: 12, inventory_seconds: 0.4, sweep_seconds: 0.3, clock_margin_seconds: 0.1}
sites:
  near: &site
    kind: kubernetes
    title: Near
    region: here
    kubeconfig: {secret: near-kubeconfig}
    namespace: users
    image: lab
    hub_api_url: HUB_API_URL
    capacity: {cpu: 40, memory_gib: 40}
    start_timeout_seconds: 10
  far:
    <<: *site
    title: Far
    region: there
    kubeconfig: {secret: far-kubeconfig}
profiles:
  small: {title: Small, cpu: 1, memory_gib: 1}
  deaf: {title: Deaf, cpu: 1, memory_gib: 1, env: {PJ_FAULT: deaf}}
  free:
    title: Free
    cpu: 1
    memory_gib: 1
    user_images: ['registry[.]example/team/[a-z0-9-]+:[a-z0-9.-]+']
    user_images_help: an image of your team, such as registry.example/team/lab:2
  stranger: {title: Stranger, cpu: 1, memory_gib: 1, env: {PJ_FAULT: stranger}}
placement: {retries: 1}
quotas:
  - {name: two-sessions, resource: sessions, limit: 2}
datasets:
  sky:
    title: A sky
    licence: CC0
    size_bytes: 1181116006
    replicas: [{site: near, url: "s3://sky/", endpoint: "http://127.0.0.1:9", credentials: {kind: anonymous}}]
"""


class KubePlatform(ClusterPlatform[KubeBed]):
    """The bed with two clusters. Sessions with the dataset ``sky`` go to ``near`` first, then to ``far``."""

    def __init__(self, directory: Path, platform: str = PLATFORM, **settings: Any) -> None:
        clusters = {name: KubeBed(namespaces=["default", NAMESPACE]) for name in ("near", "far")}
        super().__init__(directory, platform, clusters, **settings)
        self.tokens: dict[str, str] = {}

    @property
    def near(self) -> KubeBed:
        """The cluster of the nearer site."""
        return self.clusters["near"]

    @property
    def far(self) -> KubeBed:
        """The cluster of the other."""
        return self.clusters["far"]

    def start(self) -> None:
        for name, cluster in self.clusters.items():
            cluster.images["*"] = ["/usr/bin/env"]
            cluster.start()
            self.tokens[name] = cluster.add_token("hub", HUB_RIGHTS)
            cluster.kubeconfig(self.directory / f"secrets/{name}-kubeconfig", NAMESPACE, token=self.tokens[name])
        super().start()

    def stop(self) -> None:
        super().stop()
        for cluster in self.clusters.values():
            cluster.stop()

    def calm(self) -> None:
        """No more bad weather."""
        for cluster in self.clusters.values():
            cluster.faults.clear()
            cluster.fates.clear()
            cluster.latency_seconds = 0


@pytest.fixture(scope="module")
def kube_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubePlatform]:
    """One for a module."""
    platform = KubePlatform(tmp_path_factory.mktemp("bed"))
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()


@pytest.fixture
def clusters(kube_platform: KubePlatform) -> Iterator[KubePlatform]:
    """The same with good weather before and after, and nothing left."""
    kube_platform.calm()
    yield kube_platform
    kube_platform.calm()
    kube_platform.wait("open leases = pods = servers", kube_platform.settled)
