"""What the Lab and notebooks ask a Jupyter server about clusters, below ``/user/x/perijove/dask/``."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from .base import PLAIN_TEXT, Asked, Price, Resources, Said, Slug
from .gateways import TITLE_MAX_CHARS, Adaptive, ClusterState, Versions

#: No cluster is asked for more workers; gateways allow far fewer.
WORKERS_MAX = 10**9


class ClusterOption(Said):
    """One option of a gateway, for a form; ``choices`` are those of a ``select``."""

    field: str
    label: str
    kind: Literal["string", "bool", "int", "float", "select", "mapping"]
    default: JsonValue = None
    minimum: float | None = None
    maximum: float | None = None
    choices: list[JsonValue] = Field(default_factory=list)


class GatewayFacts(Said):
    """``GET dask/gateways?dataset=…``: one gateway with its options.

    ``reachable`` is false when it did not answer in time; then ``reason`` says so in a sentence. With datasets,
    ``near`` says in words where it would read them, ``egress_cost`` what to read them whole would cost, in the
    platform's currency (null: nobody knows), and ``preferred`` is true for the one that is best.
    """

    gateway: str
    title: str
    region: str
    reachable: bool
    reason: str | None = None
    options: list[ClusterOption] = Field(default_factory=list)
    price: Price | None = None
    near: str | None = None
    egress_cost: float | None = None
    preferred: bool = False


class GatewaysView(Said):
    """All of them, and the platform's currency; the one that a notebook takes without naming any comes first."""

    items: list[GatewayFacts]
    currency: str | None


class GatewayHealth(Said):
    """How current a list is, gateway by gateway; ``observed_at`` is when it last answered, None if it never has."""

    gateway: str
    title: str
    reachable: bool
    observed_at: datetime | None
    reason: str | None = None


class ClusterView(Said):
    """One cluster; see :class:`perijove.models.gateways.GatewayCluster`.

    ``has_log`` says that the end of its logs can be asked for: they are in no list, which is asked for all the time.
    ``cost`` is so far, ``cost_hour`` at what it holds now. ``dashboard`` is the address of its first page relative to
    ``perijove/``, None while there is none. ``observed_at`` is when its gateway said all this.

    While it starts, ``workers_wanted`` and ``adaptive`` are those of :class:`NewCluster`; ``said`` is what its gateway
    said to them, if it did not do all of it.
    """

    gateway: str
    gateway_title: str
    name: str
    title: str
    state: ClusterState
    reason: str | None
    capped: str | None
    workers: int | None
    workers_wanted: int
    workers_granted: int
    adaptive: Adaptive | None
    processing: int | None
    scheduler: Resources
    worker: Resources
    options: dict[str, JsonValue]
    created: datetime
    ended: datetime | None
    idle_seconds: float | None
    idle_stop_at: datetime | None
    has_log: bool
    versions: Versions | None
    dashboard: str | None
    lease_id: str | None
    cost: float | None
    cost_hour: float | None
    observed_at: datetime
    said: str | None = None


class ClusterLog(Said):
    """``GET dask/clusters/{gateway}/{name}/log``: the end of its logs, if it failed."""

    log_tail: str | None


class ClustersView(Said):
    """``GET dask/clusters``: one list over all gateways, newest first."""

    items: list[ClusterView]
    gateways: list[GatewayHealth]
    currency: str | None


class ClusterAnswer(Said):
    """The answer to a change: the cluster as it is now, and what the gateway said to it, if it did not do all of it."""

    cluster: ClusterView
    said: str | None = None


class ScaleCluster(Asked):
    """``POST dask/clusters/{gateway}/{name}/scale``."""

    workers: int = Field(ge=0, le=WORKERS_MAX)


class AdaptCluster(Asked):
    """``POST dask/clusters/{gateway}/{name}/adapt``."""

    minimum: int = Field(default=0, ge=0, le=WORKERS_MAX)
    maximum: int = Field(ge=0, le=WORKERS_MAX)


class NewCluster(Asked):
    """``POST dask/clusters``. Without a gateway, the first of ``GET dask/gateways``.

    ``workers`` is how many it gets once it runs; with ``maximum``, and ``minimum`` or 0, it then chooses by itself
    between so many. The Jupyter server sees to that, whether whoever asked waits or not.
    """

    gateway: Slug | None = None
    options: dict[str, JsonValue] = Field(default_factory=dict, max_length=100)
    title: str = Field(default="", max_length=TITLE_MAX_CHARS, pattern=PLAIN_TEXT)
    workers: int | None = Field(default=None, ge=0, le=WORKERS_MAX)
    minimum: int | None = Field(default=None, ge=0, le=WORKERS_MAX)
    maximum: int | None = Field(default=None, ge=0, le=WORKERS_MAX)

    @property
    def size(self) -> ScaleCluster | AdaptCluster | None:
        """What is asked of its gateway once it runs; None: nothing."""
        if self.maximum is not None:
            return AdaptCluster(minimum=self.minimum or 0, maximum=self.maximum)
        return ScaleCluster(workers=self.workers) if self.workers else None

    @model_validator(mode="after")
    def _has_one_size(self) -> Self:
        if self.workers is not None and (self.minimum is not None or self.maximum is not None):
            raise ValueError("say either workers or minimum and maximum")
        if self.minimum is not None and self.minimum > (self.maximum if self.maximum is not None else -1):
            raise ValueError("minimum: goes with a maximum that is not less")
        return self


class ClusterEvent(Said):
    """The event ``cluster/v1``: what has changed of a cluster. See its schema beside the server extension."""

    gateway: str
    name: str
    title: str
    state: ClusterState
    previous: ClusterState | None
    capped: str | None
    said: str | None
    idle_stop_at: datetime | None
    at: datetime


class EstimateRequest(Asked):
    """``POST dask/estimates``: what a cluster with so many workers would mean."""

    gateway: Slug
    options: dict[str, JsonValue] = Field(default_factory=dict, max_length=100)
    workers: int = Field(default=0, ge=0, le=WORKERS_MAX)


class LimitLeft(Said):
    """What a limit would still leave after the cluster began; below 0: it does not fit."""

    name: str
    label: str
    unit: str
    left: float
    limit: float


class Estimate(Said):
    """``resources`` are those of the scheduler and all workers; ``cost_hour`` is in the platform's currency.

    ``fits`` says whether its site takes it and it fits into all limits as they are now, and ``why_not`` what is in the
    way. ``warning`` says that the site may not have room for all of it.
    """

    resources: Resources
    cost_hour: float | None
    currency: str | None
    workers_max: int | None
    idle_stop_seconds: float | None
    limits: list[LimitLeft]
    fits: bool
    why_not: str | None = None
    warning: str | None = None


class Plot(Said):
    """One plot of a dashboard; ``path`` is below the cluster's ``dashboard/``."""

    title: str
    path: str


__all__ = [
    "AdaptCluster", "ClusterAnswer", "ClusterEvent", "ClusterLog", "ClusterOption", "ClusterView", "ClustersView",
    "Estimate", "EstimateRequest", "GatewayFacts", "GatewayHealth", "GatewaysView", "LimitLeft", "NewCluster", "Plot",
    "ScaleCluster",
]  # fmt: skip
