"""The `restricted` standard of Kubernetes' Pod Security as code; kubernetes.io has it in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ALLOWED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
ALLOWED_SECCOMP = {"RuntimeDefault", "Localhost"}


def violations(pod: dict[str, Any]) -> list[str]:
    """What of a pod, or of the template of one, the standard forbids."""
    spec = pod["spec"]
    return [*_of_pod(spec), *(f"{one['name']}: {fault}" for one in _containers(spec) for fault in _of_one(spec, one))]


def _containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for kind in ("initContainers", "containers", "ephemeralContainers") for one in spec.get(kind) or ()]


def _of_pod(spec: dict[str, Any]) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield f"{name} is on"
    for volume in spec.get("volumes") or ():
        if kinds := set(volume) - {"name"} - ALLOWED_VOLUMES:
            yield f"volume {volume['name']} is {', '.join(kinds)}"
    if (spec.get("securityContext") or {}).get("sysctls"):
        yield "sysctls are set"


def _of_one(spec: dict[str, Any], one: dict[str, Any]) -> Iterator[str]:
    of_pod, own = spec.get("securityContext") or {}, one.get("securityContext") or {}
    effective = {**of_pod, **own}
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if effective.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if effective.get("runAsUser") == 0:
        yield "runAsUser is 0"
    if (effective.get("seccompProfile") or {}).get("type") not in ALLOWED_SECCOMP:
        yield "no seccompProfile"
    capabilities = own.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or ()):
        yield "capabilities are not dropped"
    if set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
        yield "capabilities are added"
    if own.get("procMount", "Default") != "Default":
        yield "procMount is set"
    if any(port.get("hostPort") for port in one.get("ports") or ()):
        yield "a host's port is taken"
