"""The emulated cluster as its own nodes and scheduler see it: the store, without the way over HTTP.

So nothing that they do is among the requests that a test counts, and no fault that it orders meets them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from .defaults import prepare
from .deleting import NOW, Deletion, delete
from .errors import ApiError
from .resources import EVENTS, NODES, PODS, Object, Resources
from .statuses import merged_conditions
from .store import Store, key_of, now_text


class LocalCluster:
    """See :class:`~.kubelet.Cluster`."""

    def __init__(self, store: Store, resources: Resources) -> None:
        self._store = store
        self._resources = resources
        self._said: dict[tuple[str, str, str], str] = {}

    async def read(self, resource: str, namespace: str, name: str) -> Object | None:
        """See :class:`~.environment.Reader`."""
        return self._store.find(self._resources.named(resource), namespace, name)

    async def say(self, pod: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """See :class:`~.kubelet.Cluster`."""
        self.note(pod, reason, message, warning=warning)

    def note(
        self, item: Object, reason: str, message: str, *, warning: bool = False, component: str = "kubelet"
    ) -> None:
        """Posts an event about a pod or a node; one that was said before is counted up."""
        metadata = item["metadata"]
        namespace, name = metadata.get("namespace") or "default", metadata["name"]
        known = self._store.find(EVENTS, namespace, self._said.get((metadata["uid"], reason, message), ""))
        if known is not None:
            again = {**known, "metadata": dict(known["metadata"]), "count": known["count"] + 1}
            self._store.replace(EVENTS, again | {"lastTimestamp": now_text()})
            return
        event = {
            "metadata": {"name": f"{name[:230]}.{self._store.version:016x}"},
            "involvedObject": {
                "kind": "Node" if "namespace" not in metadata else "Pod",
                "namespace": metadata.get("namespace", ""),
                "name": name,
                "uid": metadata["uid"],
                "apiVersion": "v1",
            },
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
            "count": 1,
            "source": {"component": component, "host": (item.get("spec") or {}).get("nodeName", "")},
            "firstTimestamp": now_text(),
            "lastTimestamp": now_text(),
            "reportingComponent": component,
        }
        try:
            made = self._store.create(EVENTS, prepare(EVENTS, event, namespace))
        except ApiError:
            return  # the namespace ends or the name is taken: events may be lost
        self._said[metadata["uid"], reason, message] = made["metadata"]["name"]

    async def set_status(self, pod: Object, status: Object) -> None:
        """See :class:`~.kubelet.Cluster`."""
        self.change_pod(pod, lambda changed: self._merge(changed, status))

    def _merge(self, pod: Object, status: Object) -> None:
        conditions = merged_conditions(pod["status"].get("conditions") or [], status.get("conditions") or [])
        pod["status"] = {**pod["status"], **copy.deepcopy(status), "conditions": conditions}

    def change_pod(self, pod: Object, change: Callable[[Object], Any]) -> None:
        """Changes a copy of the pod as it is now and stores that; nothing for one that is gone."""
        now = self._store.find(PODS, *key_of(pod))
        if now is not None and now["metadata"]["uid"] == pod["metadata"]["uid"]:
            changed = copy.deepcopy(now)
            change(changed)
            if changed != now:
                self._store.replace(PODS, changed)

    async def remove(self, pod: Object) -> None:
        """See :class:`~.kubelet.Cluster`."""
        now = self._store.find(PODS, *key_of(pod))
        if now is not None and now["metadata"]["uid"] == pod["metadata"]["uid"]:
            delete(self._store, PODS, *key_of(pod), NOW)

    def set_node_condition(self, node: str, condition: Object) -> None:
        """Writes whether a node is ready."""
        item = copy.deepcopy(self._store.get(NODES, "", node))
        item["status"]["conditions"] = merged_conditions(item["status"].get("conditions") or [], [condition])
        self._store.replace(NODES, item)

    def mark_deleted(self, pod: Object) -> None:
        """Begins to delete a pod as a controller does, which waits for its node to confirm it."""
        if self._store.find(PODS, *key_of(pod)):
            delete(self._store, PODS, *key_of(pod), Deletion())
