"""What clusters are measured with: emulated ones whose pods are the echo server, dark ones, and the hubs in front."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.hubs import EchoServers, Hub
from benchmarks.processes import Processes
from perijove_hub.policy.models import Platform
from tests.support.kube.octets import take_octet

#: Where pods listen: KubeSpawner's usual port, and ours.
POD_PORT = 8888
IMAGE = "quay.io/jupyterhub/singleuser:6.1"
#: Enough for 1,000 pods of the profile below.
NODES = 10
CPU, MEMORY_GIB, HOME_GIB = 0.1, 0.25, 10
HOME = "/home/jovyan"
NOWHERE = "http://127.0.0.1:9/hub/api"


class Cluster:
    """An emulated cluster in a process of its own, which starts nothing: its pods are the echo server.

    Args:
        processes: where it runs.
        name: of the process and its log.
        pods_at: the address of all of its pods.
        namespaces: that it has.
    """

    def __init__(self, processes: Processes, name: str, pods_at: str, namespaces: Sequence[str]) -> None:
        told = processes.directory / f"{name}.json"
        nodes = ",".join(f"{name}-{number}" for number in range(NODES))
        command = [sys.executable, "-m", "tests.support.kube", "--pods-at", pods_at, "--json", str(told)]
        self.process = processes.start(name, [*command, "--nodes", nodes, "--namespaces", ",".join(namespaces)])
        processes.wait(name, told.exists)
        said = json.loads(told.read_text())
        self.kubeconfig, self._url, self._token = Path(said["kubeconfig"]), said["url"], said["token"]

    def pods(self) -> int:
        """How many there are, in all of its namespaces."""
        answer = httpx.get(f"{self._url}/api/v1/pods", headers={"Authorization": f"Bearer {self._token}"}, timeout=60)
        return len(answer.raise_for_status().json()["items"])

    def kubeconfig_at(self, url: str) -> str:
        """What says that the cluster is somewhere else."""
        return self.kubeconfig.read_text().replace(self._url, url)


@contextmanager
def pod_addresses(count: int) -> Iterator[list[str]]:
    """So many addresses for pods, which nobody else on this machine has."""
    octet = take_octet()
    try:
        yield [f"127.{octet.number}.0.{number + 1}" for number in range(count)]
    finally:
        octet.free()


@contextmanager
def dark_urls() -> Iterator[tuple[str, str]]:
    """An address that takes connections and never answers, and one that takes none."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as silent, socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        urls = [f"http://127.0.0.1:{each.getsockname()[1]}" for each in (silent, refusing)]
        yield urls[0], urls[1]


def echo_at(processes: Processes, addresses: Sequence[str]) -> EchoServers:
    """The echo servers, where pods are said to be."""
    return EchoServers(processes, [(address, POD_PORT) for address in addresses])


def platform(processes: Processes, sites: Mapping[str, tuple[str, str]]) -> Platform:
    """A platform of such sites, whose kubeconfigs are put where its hub looks for secrets.

    Args:
        processes: of the hub.
        sites: the text of the kubeconfig and the namespace of each.
    """
    secrets = processes.directory / "secrets"
    secrets.mkdir(exist_ok=True)
    for name, (kubeconfig, _) in sites.items():
        path = secrets / name
        path.touch(mode=0o600)
        path.write_text(kubeconfig)
    return Platform.model_validate(
        {
            "sites": {name: _site(name, namespace) for name, (_, namespace) in sites.items()},
            "profiles": {"small": {"title": "Small", "cpu": CPU, "memory_gib": MEMORY_GIB}},
            "quotas": [{"name": "two-each", "resource": "sessions", "limit": 2}],
        }
    )


def _site(name: str, namespace: str) -> dict[str, Any]:
    return {
        "kind": "kubernetes",
        "title": name,
        "region": name,
        "capacity": {"cpu": 10_000, "memory_gib": 10_000},
        "kubeconfig": {"secret": name},
        "namespace": namespace,
        "image": IMAGE,
        "hub_api_url": NOWHERE,
        "home_storage": {"size_gib": HOME_GIB, "path": HOME},
        "start_timeout_seconds": 60,
    }


def stock_hub(processes: Processes, echo: EchoServers, cluster: Cluster, namespace: str) -> Hub:
    """The stock hub with KubeSpawner, which makes the same pods with the same claims."""
    told = {"kind": "kubespawner", "kubeconfig": str(cluster.kubeconfig), "asks_clusters": True, **echo.told()}
    return Hub(processes, "stock", told | {"kubespawner": _same_pods(namespace)})


def _same_pods(namespace: str) -> dict[str, Any]:
    memory_bytes = int(MEMORY_GIB * 2**30)
    return {
        "namespace": namespace,
        "image": IMAGE,
        "cpu_limit": CPU,
        "cpu_guarantee": CPU,
        "mem_limit": memory_bytes,
        "mem_guarantee": memory_bytes,
        "uid": 1000,
        "gid": 100,
        "fs_gid": 100,
        "allow_privilege_escalation": False,
        "automount_service_account_token": False,
        "container_security_context": {"capabilities": {"drop": ["ALL"]}},
        "pod_security_context": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "extra_pod_config": {"restartPolicy": "Never", "enableServiceLinks": False},
        "storage_pvc_ensure": True,
        "storage_capacity": f"{HOME_GIB}Gi",
        "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}],
        "volume_mounts": [{"name": "home", "mountPath": HOME}],
        "working_dir": HOME,
        "hub_connect_url": NOWHERE.removesuffix("/hub/api"),
    }
