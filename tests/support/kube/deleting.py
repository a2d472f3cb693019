"""How objects go: pods with a grace, namespaces with all they hold, whatever is owned after its owner.

Sources: "Pod Lifecycle", "Owners and Dependents" and "Finalizers" in the Kubernetes documentation; which grace a pod
gets is ``CheckGracefulDelete`` of ``k8s.io/kubernetes/pkg/registry/core/pod``.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from . import errors
from .resources import NAMESPACES, PODS, Object, Resource
from .store import Store, key_of


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a caller says about it. ``grace_seconds`` None leaves the grace to the pod."""

    grace_seconds: int | None = None
    uid: str = ""
    version: str = ""
    orphan: bool = False
    dry_run: bool = False


#: At once, whatever the object says.
NOW = Deletion(grace_seconds=0)


def delete(store: Store, resource: Resource, namespace: str, name: str, how: Deletion) -> tuple[Object, bool]:
    """Deletes or begins to; the object as it is then, and whether it is gone.

    Raises:
        ApiError: 404, or 409 where it is not the object or the version that the caller means.
    """
    item = store.get(resource, namespace, name)
    _check_preconditions(resource, item, how)
    if how.dry_run:
        return item, False
    if how.orphan:
        _orphan_dependents(store, item)
    if resource is PODS:
        grace = _pod_grace(item, how.grace_seconds)
        if grace > 0 or item["metadata"].get("finalizers"):
            return _mark(store, resource, item, grace), False
    elif item["metadata"].get("finalizers") or resource is NAMESPACES:
        return _mark(store, resource, item, 0), False
    return store.remove(resource, namespace, name), True


def finish(store: Store, resource: Resource, item: Object) -> Object:
    """Removes what was being deleted and waits for nothing any more; the object as it is then."""
    metadata = item["metadata"]
    waits = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
    if not metadata.get("deletionTimestamp") or waits or resource is NAMESPACES:
        return item
    return store.remove(resource, *key_of(item))


def _check_preconditions(resource: Resource, item: Object, how: Deletion) -> None:
    metadata = item["metadata"]
    if how.uid and how.uid != metadata["uid"]:
        raise errors.unlike(resource, metadata["name"], "UID", how.uid, metadata["uid"])
    if how.version and how.version != metadata["resourceVersion"]:
        raise errors.unlike(resource, metadata["name"], "ResourceVersion", how.version, metadata["resourceVersion"])


def _pod_grace(pod: Object, asked_seconds: int | None) -> int:
    if not pod["spec"].get("nodeName") or pod["status"].get("phase") in ("Failed", "Succeeded"):
        return 0
    if asked_seconds is None:
        return int(pod["spec"].get("terminationGracePeriodSeconds", 30))
    return 1 if asked_seconds < 0 else asked_seconds


def _mark(store: Store, resource: Resource, item: Object, grace_seconds: int) -> Object:
    """Says in the object that it is to go. A grace may become shorter later, never longer."""
    before = item["metadata"].get("deletionGracePeriodSeconds")
    if item["metadata"].get("deletionTimestamp") and (before is None or grace_seconds >= before):
        return item
    item = copy.deepcopy(item)
    goes_at = datetime.now(UTC) + timedelta(seconds=grace_seconds)
    item["metadata"]["deletionTimestamp"] = goes_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    item["metadata"]["deletionGracePeriodSeconds"] = grace_seconds
    if resource is NAMESPACES:
        item["status"] = {**item["status"], "phase": "Terminating"}
    return store.replace(resource, item)


def _orphan_dependents(store: Store, owner: Object) -> None:
    uid = owner["metadata"]["uid"]
    for resource, item in store.everything():
        owners = item["metadata"].get("ownerReferences") or []
        if any(each.get("uid") == uid for each in owners):
            item = copy.deepcopy(item)
            item["metadata"]["ownerReferences"] = [each for each in owners if each.get("uid") != uid]
            store.replace(resource, item)
