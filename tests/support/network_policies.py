"""What NetworkPolicies let through, decided as a network plugin does: what no policy of a pod allows is closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Literal

Direction = Literal["ingress", "egress"]


@dataclass(frozen=True)
class Peer:
    """The other end: a pod in a namespace, or an address that is no pod's."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None


def allows(
    policies: Sequence[Mapping[str, Any]],
    pod: Peer,
    direction: Direction,
    other: Peer,
    port: int | str,
    protocol: str = "TCP",
) -> bool:
    """Whether ``pod`` may be reached from, or may reach, ``other`` at a port; one is named as the rules name it."""
    mine = [
        each["spec"]
        for each in policies
        if each["metadata"].get("namespace", pod.namespace) == pod.namespace
        and _selects(each["spec"]["podSelector"], pod.labels)
        and direction.capitalize() in each["spec"]["policyTypes"]
    ]
    if not mine:
        return True
    rules = [rule for spec in mine for rule in spec.get(direction) or ()]
    side = "from" if direction == "ingress" else "to"
    return any(_has_port(rule, port, protocol) and _has_peer(rule.get(side), pod, other) for rule in rules)


def _has_port(rule: Mapping[str, Any], port: int | str, protocol: str) -> bool:
    ports = rule.get("ports")
    return not ports or any(each["port"] == port and each.get("protocol", "TCP") == protocol for each in ports)


def _has_peer(peers: Sequence[Mapping[str, Any]] | None, pod: Peer, other: Peer) -> bool:
    return not peers or any(_is(each, pod, other) for each in peers)


def _is(peer: Mapping[str, Any], pod: Peer, other: Peer) -> bool:
    if block := peer.get("ipBlock"):
        if other.address is None:
            return False
        address, inside = ip_address(other.address), ip_network(block["cidr"])
        left_out = any(address in ip_network(each) for each in block.get("except") or ())
        return address.version == inside.version and address in inside and not left_out
    if other.address is not None:
        return False
    if "namespaceSelector" in peer:
        if not _selects(peer["namespaceSelector"], _named(other)):
            return False
    elif other.namespace != pod.namespace:
        return False
    return _selects(peer.get("podSelector") or {}, other.labels)


def _named(other: Peer) -> dict[str, str]:
    """Every namespace carries its name as a label."""
    return {"kubernetes.io/metadata.name": other.namespace, **other.namespace_labels}


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(name) == value for name, value in wanted.items()) and all(
        _fulfils(each, labels) for each in selector.get("matchExpressions") or ()
    )


def _fulfils(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    if expression["operator"] != "In":
        raise NotImplementedError(f"the rules of our charts use In, and not {expression['operator']}")
    return labels.get(expression["key"]) in expression["values"]
