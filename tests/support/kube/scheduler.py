"""The scheduler: it gives each pod a node that has room, or says why there is none.

It looks at what real ones refuse for most: cpu, memory and the number of pods, nodes that are cordoned or not ready,
node selectors, and claims that are not there. Source: "Scheduling framework" in the Kubernetes documentation.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from decimal import Decimal

from .api import Api
from .fates import FateKind, Fates
from .local_cluster import LocalCluster
from .quantities import parse_quantity, pod_amount, total_requests
from .resources import CLAIMS, NODES, PODS, Object, Resource
from .statuses import merged_conditions
from .store import Change, Key, Store, key_of, now_text

NAME = "default-scheduler"


class Scheduler:
    """Follows a store once :meth:`start` is called, in the running loop.

    ``delay_seconds`` is waited before a new pod is looked at; each ``retry_seconds`` it says again what holds a pod up.
    """

    def __init__(
        self, store: Store, api: Api, cluster: LocalCluster, fates: Fates, *, delay_seconds: float, retry_seconds: float
    ) -> None:
        self._store = store
        self._api = api
        self._cluster = cluster
        self._fates = fates
        self._delay_seconds = delay_seconds
        self._retry_seconds = retry_seconds
        self._waiting: set[Key] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """From now on."""
        self._loop = asyncio.get_running_loop()
        self._store.on_change(self._saw)
        self._tick()

    def close(self) -> None:
        """No more."""
        if self._timer is not None:
            self._timer.cancel()

    def look_again(self) -> None:
        """Tries all pods that wait, with nothing new to say about those that go on waiting."""
        for key in sorted(self._waiting):
            self._schedule(key, tell=False)

    def _tick(self) -> None:
        assert self._loop is not None, "the scheduler acts only once it was started"
        for key in sorted(self._waiting):
            self._schedule(key)
        self._timer = self._loop.call_later(self._retry_seconds, self._tick)

    def _saw(self, resource: Resource, change: Change) -> None:
        if self._loop is None:
            return
        if resource is PODS and change.kind == "ADDED" and not change.new["spec"].get("nodeName"):
            self._loop.call_later(self._delay_seconds, self._schedule, key_of(change.new))
        frees = resource is PODS and (
            change.kind == "DELETED" or change.new["status"].get("phase") in ("Failed", "Succeeded")
        )
        if self._waiting and (frees or resource in (NODES, CLAIMS)):
            self._loop.call_soon(self.look_again)

    def _schedule(self, key: Key, *, tell: bool = True) -> None:
        pod = self._store.find(PODS, *key)
        self._waiting.discard(key)
        if pod is None or pod["spec"].get("nodeName") or pod["spec"].get("schedulerName") != NAME:
            return None
        why = self._held_up(pod)
        if not why:
            node, why = self._node_for(pod)
            if node:
                self._api.bind(*key, node)
                message = f"Successfully assigned {key[0]}/{key[1]} to {node}"
                return self._cluster.note(pod, "Scheduled", message, component=NAME)
        self._waiting.add(key)
        self._cluster.change_pod(pod, lambda changed: _unschedulable(changed, why))
        if tell:
            self._cluster.note(pod, "FailedScheduling", why, warning=True, component=NAME)
        return None

    def _held_up(self, pod: Object) -> str:
        fate = self._fates.of(pod)
        if fate and fate.kind is FateKind.PENDING:
            return fate.said
        for volume in pod["spec"].get("volumes") or []:
            name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            claim = self._store.find(CLAIMS, pod["metadata"]["namespace"], name) if name else None
            if name and claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if claim and claim["status"].get("phase") != "Bound":
                return "pod has unbound immediate PersistentVolumeClaims"
        return ""

    def _node_for(self, pod: Object) -> tuple[str, str]:
        """The node with the fewest pods that has room, or why there is none."""
        nodes, refusals = self._store.items(NODES), Counter[str]()
        fitting: list[tuple[int, str]] = []
        placed = defaultdict[str, list[Object]](list)
        for each in self._store.items(PODS):
            if each["status"].get("phase") not in ("Failed", "Succeeded"):
                placed[each["spec"].get("nodeName", "")].append(each)
        for node in nodes:
            inside = placed[node["metadata"]["name"]]
            reasons = _refusals(pod, node, inside)
            refusals.update(reasons)
            if not reasons:
                fitting.append((len(inside), node["metadata"]["name"]))
        if fitting:
            return min(fitting)[1], ""
        if not nodes:
            return "", "no nodes available to schedule pods"
        told = ", ".join(sorted(f"{number} {reason}" for reason, number in refusals.items()))
        return "", f"0/{len(nodes)} nodes are available: {told}."


def _refusals(pod: Object, node: Object, inside: list[Object]) -> list[str]:
    """Why a node cannot take a pod; empty where it can."""
    ready = next((each for each in node["status"].get("conditions") or [] if each["type"] == "Ready"), None)
    if ready and ready["status"] != "True":
        return ["node(s) were not ready"]
    if node["spec"].get("unschedulable"):
        return ["node(s) were unschedulable"]
    labels = node["metadata"].get("labels") or {}
    wanted = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return ["node(s) didn't match Pod's node affinity/selector"]
    room = node["status"].get("allocatable") or {}
    reasons = ["Too many pods"] if len(inside) >= parse_quantity(room.get("pods", "110")) else []
    for name in ("cpu", "memory"):
        asked = pod_amount(pod, "requests", name) or Decimal(0)
        if asked and asked + total_requests(inside, name) > parse_quantity(room.get(name, "0")):
            reasons.append(f"Insufficient {name}")
    return reasons


def _unschedulable(pod: Object, why: str) -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": why,
        "lastTransitionTime": now_text(),
    }
    pod["status"]["conditions"] = merged_conditions(pod["status"].get("conditions") or [], [condition])
