"""The part of the Gateway API that sessions behind a Gateway use, as a cluster is told of it.

The bounds and patterns are those of the project's own definition of ``gateway.networking.k8s.io/v1``; its rules in CEL
are written as patterns, which older control planes understand too.
"""

from __future__ import annotations

from typing import Any

#: What the Gateway API takes as the path of a prefix: as it is sent, with nothing decoded.
_PATH = r"^/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*$"
_HOST = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_NAME = {"type": "string", "minLength": 1, "maxLength": 253}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


def _list(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "maxItems": most, "items": items}


_PARENT = _object(
    ["name"],
    name=_NAME,
    namespace={"type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
    sectionName=_NAME,
)
_MATCH = _object(
    [],
    path=_object(
        [],
        type={"type": "string", "enum": ["Exact", "PathPrefix", "RegularExpression"]},
        value={"type": "string", "maxLength": 1024, "pattern": _PATH},
    ),
)
_RULE = _object(
    [],
    matches=_list(_MATCH, 64),
    backendRefs=_list(_object(["name"], name=_NAME, port={"type": "integer", "minimum": 1, "maximum": 65535}), 16),
    timeouts=_object([], request={"type": "string", "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$"}),
)
_SPEC = _object(
    [],
    parentRefs=_list(_PARENT, 32),
    hostnames=_list({"type": "string", "minLength": 1, "maxLength": 253, "pattern": _HOST}, 16),
    rules=_list(_RULE, 16),
)

#: The definition of HTTPRoutes.
HTTP_ROUTES: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "httproutes.gateway.networking.k8s.io",
        # without it a control plane keeps names below k8s.io for itself
        "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/3328"},
    },
    "spec": {
        "group": "gateway.networking.k8s.io",
        "names": {"plural": "httproutes", "singular": "httproute", "kind": "HTTPRoute", "listKind": "HTTPRouteList"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": _object(
                        ["spec"],
                        spec=_SPEC,
                        status={"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    )
                },
            }
        ],
    },
}


def parents(gateway: str, **conditions: tuple[str, str, str]) -> dict[str, Any]:
    """The status of a route: of each condition its status, reason and message."""
    told = [
        {"type": kind, "status": status, "reason": reason, "message": message}
        for kind, (status, reason, message) in conditions.items()
    ]
    return {"parents": [{"parentRef": {"name": gateway}, "controllerName": "example.org/edge", "conditions": told}]}


ACCEPTED = ("True", "Accepted", "the route is taken")
