"""All that stands behind the emulated API: controllers, scheduler and nodes, and what a test does behind its back."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

from .api import Api
from .controllers import Controllers
from .defaults import prepare
from .deleting import Deletion, delete
from .fates import Fates
from .kubelet import Kubelet
from .local_cluster import LocalCluster
from .logs import read_log, tail
from .nodes import Nodes, NodeSpec
from .patching import strategic
from .pod_network import PodNetwork
from .request import ApiRequest
from .resources import PODS, Object, Resource, Resources
from .scheduler import Scheduler
from .store import Change, Store

#: How long a node may be silent before its pods are to go: short beside the five minutes of real clusters.
EVICT_AFTER_SECONDS = 2.0
RETRY_SECONDS = 1.0


class EmulatedCluster:
    """Made in the bed's running loop; ends with :meth:`close`."""

    def __init__(
        self,
        store: Store,
        resources: Resources,
        api: Api,
        fates: Fates,
        nodes: Sequence[NodeSpec],
        directory: Path,
        octet: int,
        *,
        images: Mapping[str, list[str]],
        pods_at: str | None,
        network: PodNetwork | None,
        schedule_seconds: float,
        back_off_seconds: float,
    ) -> None:
        self._store = store
        self._api = api
        self._local = LocalCluster(store, resources)
        Controllers(store, resources).start()
        self._kubelet = Kubelet(
            self._local,
            [node.name for node in nodes],
            directory,
            octet,
            fates=fates,
            images=images,
            pods_at=pods_at,
            network=network,
            back_off_seconds=back_off_seconds,
        )
        self.nodes = Nodes(nodes, store, self._local, self._kubelet)
        self._kubelet.on_node_gone = self._lose
        store.on_change(self._saw)
        self._scheduler = Scheduler(
            store, api, self._local, fates, delay_seconds=schedule_seconds, retry_seconds=RETRY_SECONDS
        )
        if nodes:
            self._scheduler.start()

    async def close(self) -> None:
        """Ends all that runs."""
        self._scheduler.close()
        self.nodes.close()
        await self._kubelet.close()

    def read_log(self, pod: Object, request: ApiRequest) -> str:
        """What the log endpoint of a pod answers. Raises :class:`ApiError`."""
        return read_log(self._kubelet.run_of(pod["metadata"]["uid"]), pod, request)

    def log_of(self, namespace: str, name: str, container: str = "") -> str:
        """What a container has written."""
        pod = self._store.get(PODS, namespace, name)
        return tail(self._kubelet.run_of(pod["metadata"]["uid"]), pod, container)

    def put(self, resource: Resource, namespace: str, item: Object) -> Object:
        """Makes an object or replaces it, with the status that is given."""
        name = item["metadata"]["name"]
        old = self._store.find(resource, namespace if resource.namespaced else "", name)
        if old is None:
            made = prepare(resource, item, namespace)
            if "status" in item:
                made["status"] = {**(made.get("status") or {}), **copy.deepcopy(item["status"])}
            return self._store.create(resource, made)
        new = {**copy.deepcopy(item), "apiVersion": resource.api_version, "kind": resource.kind}
        new["metadata"] = {**new["metadata"], **{key: old["metadata"][key] for key in ("uid", "creationTimestamp")}}
        if resource.namespaced:
            new["metadata"]["namespace"] = namespace
        return self._store.replace(resource, new)

    def patch(self, resource: Resource, namespace: str, name: str, patch: Object) -> Object:
        """Changes an object by a strategic merge patch, its status too."""
        old = self._store.get(resource, namespace if resource.namespaced else "", name)
        return self._store.replace(resource, dict(strategic(copy.deepcopy(old), patch)))

    def delete(self, resource: Resource, namespace: str, name: str, grace_seconds: int | None) -> None:
        """Deletes an object."""
        delete(self._store, resource, namespace if resource.namespaced else "", name, Deletion(grace_seconds))

    def _saw(self, resource: Resource, change: Change) -> None:
        if resource is PODS:
            self._kubelet.saw(change.kind, change.new)

    def _lose(self, node: str) -> None:
        self.nodes.lose(node, evict_after_seconds=EVICT_AFTER_SECONDS)
