"""The emulated cluster's nodes: what they have, and how they get lost and come back.

Source: "Nodes" in the Kubernetes documentation: a node that is not heard of is not known to be ready, its pods are
not ready, and after a while they are to go, which only their node could confirm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from .kubelet import Kubelet
from .local_cluster import LocalCluster
from .resources import NODES, PODS, Object
from .statuses import merged_conditions, node_condition, node_object
from .store import Store, now_text


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node and what it has to give."""

    name: str
    cpu: float = 64
    memory_gib: float = 256
    pods: int = 1000

    def to_object(self) -> Object:
        """As the API shows it."""
        capacity = {
            "cpu": f"{int(self.cpu * 1000)}m",
            "memory": f"{int(self.memory_gib * 1024)}Mi",
            "pods": str(self.pods),
        }
        return node_object(self.name, capacity, "127.0.0.1")


class Nodes:
    """All nodes of a bed, with the one agent that acts for them."""

    def __init__(self, specs: Sequence[NodeSpec], store: Store, cluster: LocalCluster, kubelet: Kubelet) -> None:
        self._store = store
        self._cluster = cluster
        self._kubelet = kubelet
        self._timers: dict[str, asyncio.TimerHandle] = {}
        for spec in specs:
            store.create(NODES, spec.to_object())

    def lose(self, node: str, *, evict_after_seconds: float | None = None, kill: bool = True) -> None:
        """The node is heard of no more: a loss of power or, without ``kill``, of the network only.

        Its pods stay as they were last told of, but not ready; after ``evict_after_seconds`` (None: never) they are
        marked as deleted, and so they stay.
        """
        self._kubelet.silence(node, kill=kill)
        said = "Kubelet stopped posting node status."
        self._cluster.set_node_condition(node, node_condition("Unknown", "NodeStatusUnknown", said))
        item = self._store.get(NODES, "", node)
        self._cluster.note(
            item, "NodeNotReady", f"Node {node} status is now: NodeNotReady", component="node-controller"
        )
        for pod in self._pods_on(node):
            self._cluster.change_pod(pod, _not_ready)
            self._cluster.note(pod, "NodeNotReady", "Node is not ready", warning=True, component="node-controller")
        if evict_after_seconds is not None:
            loop = asyncio.get_running_loop()
            self._timers[node] = loop.call_later(evict_after_seconds, self._evict, node)

    def find(self, node: str) -> None:
        """The node is heard of again, and confirms what was to go."""
        if timer := self._timers.pop(node, None):
            timer.cancel()
        ready = node_condition("True", "KubeletReady", "kubelet is posting ready status")
        self._cluster.set_node_condition(node, ready)
        self._kubelet.wake(node, self._pods_on(node))

    def close(self) -> None:
        """Nothing more happens to them."""
        for timer in self._timers.values():
            timer.cancel()

    def _evict(self, node: str) -> None:
        said = f"Node {node} which was running pod {{}} is unresponsive"
        for pod in self._pods_on(node):
            name = pod["metadata"]["name"]

            def lost(changed: Object, message: str = said.format(name)) -> None:
                changed["status"] |= {"reason": "NodeLost", "message": message}

            self._cluster.change_pod(pod, lost)
            message = f"Marking for deletion Pod {pod['metadata']['namespace']}/{name}"
            self._cluster.note(pod, "TaintManagerEviction", message, component="taint-eviction-controller")
            self._cluster.mark_deleted(pod)

    def _pods_on(self, node: str) -> list[Object]:
        return [pod for pod in self._store.items(PODS) if pod["spec"].get("nodeName") == node]


def _not_ready(pod: Object) -> None:
    if pod["status"].get("phase") in ("Failed", "Succeeded"):
        return
    # nothing else changes: of the containers it shows what the node said last
    not_ready = {"type": "Ready", "status": "False", "lastTransitionTime": now_text()}
    pod["status"]["conditions"] = merged_conditions(pod["status"].get("conditions") or [], [not_ready])
