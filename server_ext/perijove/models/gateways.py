"""What a site's Dask Gateway says beside Dask Gateway's own API, below ``/api/perijove/v1/``.

Dask Gateway's own list has no workers, limits, reasons or logs, and holds the TLS keys of every running cluster; this
one has what a person looks at, and no secret. Who may see and change what is as there: its owner, by a token of a hub.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field, JsonValue

from .base import Asked, Resources, Said

#: What an owner may write as the title of a cluster; the options of Dask Gateway have it under this name.
TITLE_OPTION = "title"
#: The option of every gateway of ours that says which of the owner's groups pays.
CHARGE_TO_OPTION = "charge_to"
TITLE_MAX_CHARS = 80


class ClusterState(StrEnum):
    """The life of a cluster, as its gateway sees it."""

    REQUESTED = "requested"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left."""
        return self in (ClusterState.STOPPED, ClusterState.FAILED)


class Adaptive(Said):
    """Between how many workers a cluster chooses by itself."""

    minimum: int
    maximum: int


class Versions(Said):
    """What a scheduler runs on, as ``python``, ``dask``, ``distributed`` and other packages."""

    python: str
    packages: dict[str, str] = Field(default_factory=dict)


class GatewayCluster(Said):
    """One cluster, as its gateway knows it.

    ``workers`` are those that its scheduler has, ``workers_granted`` those that the lease has room for, and
    ``workers_wanted`` those that were asked for; ``capped`` says what is in the way when they are more.
    ``idle_stop_at`` is when it is stopped because nothing runs in it; None while something does, or if that is never.
    ``reason`` says why it is over, and ``log_tail`` holds the end of its logs if it failed.
    """

    name: str
    title: str
    state: ClusterState
    options: dict[str, JsonValue]
    lease_id: str | None
    created: datetime
    ended: datetime | None
    scheduler: Resources
    worker: Resources
    workers: int | None = None
    workers_wanted: int = 0
    workers_granted: int = 0
    adaptive: Adaptive | None = None
    capped: str | None = None
    processing: int | None = None
    idle_seconds: float | None = None
    idle_stop_at: datetime | None = None
    reason: str | None = None
    log_tail: str | None = None
    versions: Versions | None = None
    dashboard: bool = False


class GatewayClusters(Said):
    """``GET clusters``: all clusters of the caller, newest first; those that are over for the last 24 hours."""

    items: list[GatewayCluster]


class ClusterNeed(Said):
    """``POST needs``: what a cluster with these options would hold."""

    scheduler: Resources
    worker: Resources
    workers_max: int | None
    idle_stop_seconds: float | None


class NeedRequest(Asked):
    """The options of a cluster that is not there yet."""

    cluster_options: dict[str, JsonValue] = Field(default_factory=dict, max_length=100)


class KeepCluster(Asked):
    """``POST clusters/{name}/keep``: do not stop it for being idle for so long."""

    minutes: int = Field(default=30, ge=1, le=30)


__all__ = [
    "CHARGE_TO_OPTION", "TITLE_MAX_CHARS", "TITLE_OPTION", "Adaptive", "ClusterNeed", "ClusterState", "GatewayCluster",
    "GatewayClusters", "KeepCluster", "NeedRequest", "Versions",
]  # fmt: skip
