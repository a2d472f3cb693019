"""A platform whose sites are clusters of Kubernetes, whatever those are made of: real hub, control and controller."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from tests.support.bed import Bed

NAMESPACE = "users"


class HoldsObjects(Protocol):
    """A cluster of which one can see what it holds."""

    def objects(self, resource: str, namespace: str = "") -> list[dict[str, Any]]:
        """All objects of a resource in a namespace, as they are now."""


C = TypeVar("C", bound=HoldsObjects)


class ClusterPlatform(Bed, Generic[C]):
    """The bed with clusters instead of processes.

    Args:
        directory: for all that it writes.
        platform: the text of the platform file, whose sessions are in ``namespace``.
        clusters: by the names of their sites.
        namespace: of the sessions.
        settings: of the bed.
    """

    def __init__(
        self, directory: Path, platform: str, clusters: Mapping[str, C], namespace: str = NAMESPACE, **settings: Any
    ) -> None:
        super().__init__(directory, platform, **settings)
        self.clusters = dict(clusters)
        self.namespace = namespace

    def pods(self, *sites: str) -> dict[str, dict[str, Any]]:
        """The pods of sessions that have not ended, by attempt id; of all clusters unless some are named."""
        return {
            pod["metadata"]["labels"]["perijove.io/attempt"]: pod
            for name in sites or self.clusters
            for pod in self.clusters[name].objects("pods", self.namespace)
            if pod["status"].get("phase") not in ("Failed", "Succeeded")
        }

    def settled(self) -> bool:
        """Open leases, pods and the hub's ready servers are the same."""
        leases, pods = self.open_leases(), self.pods()
        return (
            set(leases) == set(pods)
            and all(state == "active" for state in leases.values())
            and self.ready_servers() == len(pods)
        )

    def health(self, user: str, name: str) -> str:
        """How a site is, as its users are told."""
        with self.control_as(user) as control:
            health: str = next(site for site in control.get("sites").json()["items"] if site["name"] == name)["health"]
        return health

    def leases_of(self, user: str) -> list[dict[str, Any]]:
        """A user's leases, newest first."""
        with self.control_as(user) as control:
            items: list[dict[str, Any]] = control.get("leases").raise_for_status().json()["items"]
        return items
