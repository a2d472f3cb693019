"""The path of one session at the edge of its cluster: as an Ingress, or as an HTTPRoute of the Gateway API.

Sources: "Ingress" in the Kubernetes documentation, and the reference of ``gateway.networking.k8s.io/v1``.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from kubernetes_asyncio import client

from perijove_hub.policy.sites import GatewayRef, IngressEdge

GROUP, VERSION, PLURAL = "gateway.networking.k8s.io", "v1", "httproutes"
#: Signs that mean nothing in the configuration of any ingress controller. Others would: a space or a brace ends a path
#: there, and names of servers are their owners' choice.
_HARMLESS = re.compile(r"[\w/.~@'+,=:-]+")
#: The paths that the Gateway API takes: what is sent, and nothing that it stands for.
_ROUTED = re.compile(r"(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+")


def path_forms(path: str) -> list[str]:
    """A session's path as controllers match it: as it is sent, and decoded where that is another one.

    HAProxy and Envoy compare what is sent; nginx and Traefik, which decode it, would never find a path with a ``%``.
    A decoded path that could mean something else in a controller's configuration is left out.
    """
    decoded = unquote(path)
    is_another = decoded != path and "%2f" not in path.lower()
    return [path, decoded] if is_another and _HARMLESS.fullmatch(decoded) else [path]


def ingress(
    policy: IngressEdge, names: list[str], path: str, port: int, metadata: client.V1ObjectMeta
) -> client.V1Ingress:
    """The Ingress of a session.

    Args:
        policy: of the edge.
        names: by which the edge is asked.
        path: of the session.
        port: of the Service, which has the Ingress's own name.
        metadata: of the Ingress.
    """
    service = client.V1IngressServiceBackend(name=metadata.name, port=client.V1ServiceBackendPort(number=port))
    backend = client.V1IngressBackend(service=service)
    paths = [
        client.V1HTTPIngressPath(path=form, path_type=policy.path_type, backend=backend) for form in path_forms(path)
    ]
    tls = client.V1IngressTLS(hosts=names, secret_name=policy.tls_secret)
    rules = [client.V1IngressRule(host=name, http=client.V1HTTPIngressRuleValue(paths=paths)) for name in names]
    return client.V1Ingress(
        metadata=metadata,
        spec=client.V1IngressSpec(ingress_class_name=policy.class_name, tls=[tls] if policy.tls else None, rules=rules),
    )


def http_route(
    gateway: GatewayRef, names: list[str], path: str, port: int, metadata: client.V1ObjectMeta
) -> dict[str, Any]:
    """The HTTPRoute of a session; the arguments are those of :func:`ingress`.

    It has no limit of time: a websocket lasts as long as its notebook.
    """
    parent = {"name": gateway.name, "namespace": gateway.namespace, "sectionName": gateway.listener}
    forms = [form for form in path_forms(path) if form == path or _ROUTED.fullmatch(form)]
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "HTTPRoute",
        "metadata": metadata,
        "spec": {
            "parentRefs": [{key: value for key, value in parent.items() if value is not None}],
            "hostnames": names,
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": form}} for form in forms],
                    "backendRefs": [{"name": metadata.name, "port": port}],
                    "timeouts": {"request": "0s"},
                }
            ],
        },
    }


def refusal(route: dict[str, Any], gateway: GatewayRef) -> str | None:
    """Why a Gateway does not pass on what an HTTPRoute says, in plain words; None: it does.

    A controller writes what it makes of a route into ``status.parents``: ``Accepted``, and ``ResolvedRefs`` for the
    Service behind it. Each listener may have an entry of its own; one that takes the route is enough.
    """
    found = [
        {each["type"]: each for each in parent.get("conditions") or ()}
        for parent in (route.get("status") or {}).get("parents") or ()
        if parent.get("parentRef", {}).get("name") == gateway.name
    ]
    if not found:
        return "does not take up the session's route; is it there, and does its controller run?"
    if any(_is(each, "Accepted", "True") and not _is(each, "ResolvedRefs", "False") for each in found):
        return None
    refused = [each[kind] for each in found for kind in ("Accepted", "ResolvedRefs") if _is(each, kind, "False")]
    if not refused:
        return "does not say whether it takes the session's route"
    reason, message = refused[0].get("reason", ""), refused[0].get("message", "").rstrip(".")
    return f"does not take the session's route ({reason}{': ' if message else ''}{message})"


def _is(conditions: dict[str, Any], kind: str, status: str) -> bool:
    return kind in conditions and conditions[kind].get("status") == status
