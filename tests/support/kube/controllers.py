"""What the controllers of a cluster do behind an API server, as far as clients see it.

They act a moment after a change, as the real ones do: what is owned goes after its owner, namespaces come to an end,
claims are bound and protected, quotas say how full they are, each namespace has its service account ``default``.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

from .defaults import CLAIM_PROTECTION, prepare
from .deleting import Deletion, delete, finish
from .quota import quota_status
from .resources import CLAIMS, NAMESPACES, PODS, QUOTAS, SERVICE_ACCOUNTS, Object, Resource, Resources
from .store import Change, Store, key_of


class Controllers:
    """Follows a store once :meth:`start` is called, in the running loop."""

    def __init__(self, store: Store, resources: Resources) -> None:
        self._store = store
        self._resources = resources
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """From now on."""
        self._loop = asyncio.get_running_loop()
        self._store.on_change(self._saw)

    def _soon(self, act: Callable[..., Any], *arguments: Any) -> None:
        assert self._loop is not None, "controllers act only once they were started"
        self._loop.call_soon(act, *arguments)

    def _saw(self, resource: Resource, change: Change) -> None:
        item = change.new
        if change.kind == "DELETED":
            self._soon(self._collect_garbage_of, item["metadata"]["uid"])
            if resource.namespaced:
                self._soon(self._end_namespace, item["metadata"]["namespace"])
        elif item["metadata"].get("ownerReferences"):
            self._soon(self._collect_if_orphaned, resource, key_of(item))
        if resource is NAMESPACES and change.kind != "DELETED":
            ends = bool(item["metadata"].get("deletionTimestamp"))
            self._soon(self._end_namespace if ends else self._furnish, item["metadata"]["name"])
        if resource in (CLAIMS, PODS):
            self._soon(self._tend_claims, item["metadata"]["namespace"])
        if (resource.namespaced and resource is not QUOTAS) or (resource is QUOTAS and change.kind == "ADDED"):
            self._soon(self._tell_quotas, item["metadata"]["namespace"])

    # --- owners -------------------------------------------------------------------------------------------------

    def _collect_garbage_of(self, uid: str) -> None:
        for resource, item in self._store.everything():
            if any(owner.get("uid") == uid for owner in item["metadata"].get("ownerReferences") or []):
                self._collect_if_orphaned(resource, key_of(item))

    def _collect_if_orphaned(self, resource: Resource, key: tuple[str, str]) -> None:
        """Deletes an object all of whose owners are gone, or were never there."""
        item = self._store.find(resource, *key)
        owners = item["metadata"].get("ownerReferences") if item else None
        if item and owners and not any(self._is_there(owner, key[0]) for owner in owners):
            delete(self._store, resource, *key, Deletion(uid=item["metadata"]["uid"]))

    def _is_there(self, owner: Object, namespace: str) -> bool:
        for resource in self._resources.all():
            if resource.kind == owner.get("kind") and resource.api_version == owner.get("apiVersion"):
                found = self._store.find(resource, namespace if resource.namespaced else "", owner["name"])
                return found is not None and found["metadata"]["uid"] == owner.get("uid")
        return True  # of a kind that is not served here, nothing is known

    # --- namespaces ---------------------------------------------------------------------------------------------

    def _furnish(self, namespace: str) -> None:
        item = self._store.find(NAMESPACES, "", namespace)
        if item and not self._store.find(SERVICE_ACCOUNTS, namespace, "default"):
            account = prepare(SERVICE_ACCOUNTS, {"metadata": {"name": "default"}}, namespace)
            self._store.create(SERVICE_ACCOUNTS, account)

    def _end_namespace(self, namespace: str) -> None:
        item = self._store.find(NAMESPACES, "", namespace)
        if item is None or not item["metadata"].get("deletionTimestamp"):
            return
        for resource, inside in self._store.everything():
            if inside["metadata"].get("namespace") == namespace and not inside["metadata"].get("deletionTimestamp"):
                delete(self._store, resource, *key_of(inside), Deletion())
        held = any(inside["metadata"].get("namespace") == namespace for _, inside in self._store.everything())
        if not held and self._store.find(NAMESPACES, "", namespace):
            self._store.remove(NAMESPACES, "", namespace)

    # --- claims and quotas --------------------------------------------------------------------------------------

    def _tend_claims(self, namespace: str) -> None:
        """Binds claims as a provisioner does, and lets those go that no pod uses any more."""
        for claim in self._store.items(CLAIMS, namespace):
            metadata = claim["metadata"]
            if metadata.get("deletionTimestamp"):
                if CLAIM_PROTECTION in (metadata.get("finalizers") or []) and not self._in_use(claim):
                    self._release(claim)
            elif claim["status"].get("phase") == "Pending" and claim["spec"]["storageClassName"]:
                bound = copy.deepcopy(claim)
                bound["spec"]["volumeName"] = f"pvc-{metadata['uid']}"
                bound["status"] = {
                    "phase": "Bound",
                    "accessModes": claim["spec"].get("accessModes") or [],
                    "capacity": (claim["spec"].get("resources") or {}).get("requests") or {},
                }
                self._store.replace(CLAIMS, bound)

    def _in_use(self, claim: Object) -> bool:
        namespace, name = key_of(claim)
        return any(
            (volume.get("persistentVolumeClaim") or {}).get("claimName") == name
            for pod in self._store.items(PODS, namespace)
            if pod["status"].get("phase") not in ("Failed", "Succeeded")
            for volume in pod["spec"].get("volumes") or []
        )

    def _release(self, claim: Object) -> None:
        released = copy.deepcopy(claim)
        released["metadata"]["finalizers"].remove(CLAIM_PROTECTION)
        finish(self._store, CLAIMS, self._store.replace(CLAIMS, released))

    def _tell_quotas(self, namespace: str) -> None:
        for quota in self._store.items(QUOTAS, namespace):
            status = quota_status(self._store, quota, self._resources.all())
            if status != quota.get("status"):
                self._store.replace(QUOTAS, {**quota, "metadata": dict(quota["metadata"]), "status": status})
