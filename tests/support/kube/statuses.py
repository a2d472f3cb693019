"""The status of pods and nodes as a kubelet writes it. Pure: what is told comes out as the API's own form.

Source: "Pod Lifecycle" in the Kubernetes documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .resources import Object
from .store import now_text


@dataclass(slots=True)
class ContainerState:
    """What a kubelet knows of one container. ``state`` is one of ``waiting``, ``running``, ``terminated``."""

    name: str
    image: str
    state: str = "waiting"
    said: Object = field(default_factory=lambda: {"reason": "ContainerCreating"})
    last: Object = field(default_factory=dict)
    restarts: int = 0
    container_id: str = ""

    def wait(self, reason: str, message: str = "") -> None:
        """It does not run yet, or not any more for the time being."""
        self.state, self.said = "waiting", {"reason": reason, **({"message": message} if message else {})}

    def run(self, container_id: str) -> None:
        """It runs."""
        self.state, self.said, self.container_id = "running", {"startedAt": now_text()}, container_id

    def end(self, exit_code: int, reason: str, message: str = "") -> None:
        """It has ended."""
        self.said = {
            "exitCode": exit_code,
            "reason": reason,
            **({"message": message} if message else {}),
            "startedAt": self.said.get("startedAt"),
            "finishedAt": now_text(),
            "containerID": self.container_id,
        }
        self.state = "terminated"

    def begin_again(self) -> None:
        """It is to be started once more; how it has ended is kept."""
        self.last, self.restarts = {"terminated": self.said}, self.restarts + 1

    def to_status(self) -> Object:
        """Its entry in ``containerStatuses``."""
        runs = self.state == "running"
        return {
            "name": self.name,
            "image": self.image,
            "imageID": f"process://{self.image}" if self.container_id else "",
            "containerID": self.container_id,
            "ready": runs,
            "started": runs,
            "restartCount": self.restarts,
            "state": {self.state: self.said},
            "lastState": self.last,
        }


def pod_conditions(*, initialized: bool, ready: bool, reason: str = "") -> list[Object]:
    """The conditions of a pod that a node has taken."""
    said = {"Initialized": initialized, "Ready": ready, "ContainersReady": ready}
    conditions = []
    for kind, holds in said.items():
        condition: Object = {"type": kind, "status": str(holds), "lastTransitionTime": now_text()}
        if not holds and reason:
            condition["reason"] = reason
        conditions.append(condition)
    return conditions


def merged_conditions(before: list[Object], after: list[Object]) -> list[Object]:
    """Conditions by type; the time of one that has not changed is kept."""
    by_type = {condition["type"]: condition for condition in before}
    for condition in after:
        known = by_type.get(condition["type"])
        if known and known["status"] == condition["status"]:
            condition = {**condition, "lastTransitionTime": known.get("lastTransitionTime")}
        by_type[condition["type"]] = condition
    return list(by_type.values())


def node_object(name: str, capacity: Mapping[str, str], address: str) -> Object:
    """A node that is well."""
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "spec": {},
        "status": {
            "capacity": dict(capacity),
            "allocatable": dict(capacity),
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "conditions": [node_condition("True", "KubeletReady", "kubelet is posting ready status")],
        },
    }


def node_condition(status: str, reason: str, message: str) -> Object:
    """Whether a node is ready."""
    return {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": now_text(),
        "lastTransitionTime": now_text(),
    }
