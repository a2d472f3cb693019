"""What an API server adds to an object that is made: defaults, first states, and what is derived.

Only what clients look at; source: the defaults of ``k8s.io/kubernetes/pkg/apis/*/v1/defaults.go``.
"""

from __future__ import annotations

import base64
import binascii
import copy
import itertools
import secrets
from typing import Any

from .errors import bad_request
from .resources import CLAIMS, EVENTS, INGRESSES, NAMESPACES, NODES, PODS, QUOTAS, SECRETS, SERVICES, Object, Resource

CLAIM_PROTECTION = "kubernetes.io/pvc-protection"
_GIVEN_BY_SERVER = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "generation",
)
_NAME_CHARACTERS = "bcdfghjklmnpqrstvwxz2456789"
_CLUSTER_ADDRESSES = itertools.count(10)


def prepare(resource: Resource, item: Object, namespace: str) -> Object:
    """A copy of what a client sent, ready to be validated and stored. Raises :class:`ApiError` 400."""
    item = copy.deepcopy(item)
    item["apiVersion"], item["kind"] = resource.api_version, resource.kind
    metadata = item["metadata"] = item.get("metadata") or {}
    for field in _GIVEN_BY_SERVER:
        metadata.pop(field, None)
    if resource.namespaced:
        metadata["namespace"] = namespace
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = metadata["generateName"][:58] + "".join(secrets.choice(_NAME_CHARACTERS) for _ in range(5))
    if resource.group and "status" in resource.subresources:
        metadata["generation"] = 1
    if "status" in resource.subresources and resource is not NODES:
        item.pop("status", None)
    if add_defaults := _PREPARED.get(resource):
        add_defaults(item)
    return item


def _pod(item: Object) -> None:
    spec = item["spec"] = item.get("spec") or {}
    defaults: Object = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "serviceAccountName": spec.get("serviceAccount") or "default",
        "securityContext": {},
        "enableServiceLinks": True,
        "priority": 0,
    }
    for field, value in defaults.items():
        if spec.get(field) is None:
            spec[field] = value
    spec["serviceAccount"] = spec["serviceAccountName"]
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        latest = str(container.get("image", "")).endswith(":latest") or ":" not in str(container.get("image", ""))
        container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        for port in container.get("ports") or []:
            port.setdefault("protocol", "TCP")
    item["status"] = {"phase": "Pending", "qosClass": _quality(spec)}


def _quality(spec: Object) -> str:
    said = [container.get("resources") or {} for container in spec.get("containers") or []]
    if not any(each.get("requests") or each.get("limits") for each in said):
        return "BestEffort"
    for each in said:
        limits, requests = each.get("limits") or {}, each.get("requests") or {}
        if set(limits) < {"cpu", "memory"} or any(requests.get(name, limits[name]) != limits[name] for name in limits):
            return "Burstable"
    return "Guaranteed"


def encode_secret(item: Object) -> None:
    """Moves ``stringData`` into ``data``. Raises :class:`ApiError` 400 for data that is not in base64."""
    data: dict[str, Any] = item.get("data") or {}
    for key, text in (item.pop("stringData", None) or {}).items():
        data[key] = base64.b64encode(text.encode()).decode()
    for key, text in data.items():
        try:
            base64.b64decode(text or "", validate=True)
        except binascii.Error as error:
            raise bad_request(f"data.{key}: illegal base64 data") from error
    item["data"] = data
    item.setdefault("type", "Opaque")


def _service(item: Object) -> None:
    spec = item["spec"] = item.get("spec") or {}
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if not spec.get("clusterIP") and spec["type"] != "ExternalName":
        number = next(_CLUSTER_ADDRESSES)
        spec["clusterIP"] = f"10.96.{number // 250 % 250}.{number % 250 + 1}"
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    item["status"] = {"loadBalancer": {}}


def _namespace(item: Object) -> None:
    labels = item["metadata"].setdefault("labels", {}) or {}
    item["metadata"]["labels"] = labels | {"kubernetes.io/metadata.name": item["metadata"].get("name", "")}
    item["spec"] = {"finalizers": ["kubernetes"]}
    item["status"] = {"phase": "Active"}


def _claim(item: Object) -> None:
    item["metadata"]["finalizers"] = list({*(item["metadata"].get("finalizers") or []), CLAIM_PROTECTION})
    spec = item["spec"] = item.get("spec") or {}
    spec.setdefault("volumeMode", "Filesystem")
    if spec.get("storageClassName") is None:
        spec["storageClassName"] = "standard"
    item["status"] = {"phase": "Pending"}


def _event(item: Object) -> None:
    for field in ("firstTimestamp", "lastTimestamp", "eventTime"):
        item.setdefault(field, None)
    item.setdefault("source", {})
    item.setdefault("reportingComponent", "")
    item.setdefault("reportingInstance", "")


def _ingress(item: Object) -> None:
    item["status"] = {"loadBalancer": {}}


def _quota(item: Object) -> None:
    item["spec"] = item.get("spec") or {}
    item["status"] = {}


def _node(item: Object) -> None:
    item["spec"] = item.get("spec") or {}
    item["status"] = item.get("status") or {}


_PREPARED = {
    PODS: _pod,
    SECRETS: encode_secret,
    SERVICES: _service,
    NAMESPACES: _namespace,
    CLAIMS: _claim,
    EVENTS: _event,
    INGRESSES: _ingress,
    QUOTAS: _quota,
    NODES: _node,
}
