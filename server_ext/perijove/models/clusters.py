"""Clusters of Dask: what a site's gateway asks control, and which gateways there are."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from .base import Asked, AttemptId, HubName, Moment, OwnerName, Price, Resources, Said, ServerName
from .lease import Kind, Lease


class ClusterRequest(Asked):
    """``POST leases`` by a gateway: asks for the right to start one cluster at its own site.

    ``resources`` is what the scheduler holds; workers come by :class:`GatewayPatch`. The attempt id is the idempotency
    key.
    """

    owner: OwnerName
    groups: list[HubName] = Field(default_factory=list, max_length=10_000)
    kind: Literal[Kind.CLUSTER]
    name: ServerName = Field(min_length=1, description="the gateway's own name for it")
    attempt_id: AttemptId
    charge_to: HubName | None = Field(default=None, description="the group whose allocation pays")
    resources: Resources


class GatewayPatch(Asked):
    """``PATCH leases/{id}`` by a gateway: the cluster runs, or is over, or wants to hold other resources, or is kept.

    With ``resources`` it says what it wants to hold in all; ``step`` is what one worker holds, of which as few as
    needed are left out when not all of them fit. Without ``step`` it gets all or stays as it is.
    """

    state: Literal["active", "ended"] | None = None
    reason: str | None = Field(default=None, max_length=2000, description="why it ended, in plain words")
    log_tail: str | None = Field(default=None, max_length=8000, description="with `ended`: the end of its log")
    ended_at: Moment | None = Field(default=None, description="with `ended`: when that was, if it is told late")
    resources: Resources | None = None
    step: Resources | None = None
    kept_until: Moment | None = Field(default=None, description="its owner has put off its end when idle")

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if [self.state, self.resources, self.kept_until].count(None) != 2:
            raise ValueError("say either a state, or resources, or until when it is kept")
        if self.step is not None and self.resources is None:
            raise ValueError("step: goes with resources")
        return self


class ClusterLease(Said):
    """The answer to a :class:`GatewayPatch`: the lease, with the resources that it was granted.

    ``capped`` says, in plain words, what kept it from getting all that it wanted. ``kept_until`` and ``log_tail`` are
    what the gateway has told before: one that was started again has forgotten them.
    """

    lease: Lease
    capped: str | None = None
    kept_until: datetime | None = None
    log_tail: str | None = None


class GatewayView(Said):
    """``GET gateways?dataset=…``: one Dask Gateway that the caller may use.

    With datasets, ``near`` says in words where it would read them, ``egress_cost`` what to read them whole would cost,
    in the platform's currency (null: nobody knows), and ``preferred`` is true for the one that is best.
    """

    site: str
    title: str
    region: str
    address: str
    proxy_address: str
    price: Price = Price()
    near: str | None = None
    egress_cost: float | None = None
    preferred: bool = False


__all__ = ["ClusterLease", "ClusterRequest", "GatewayPatch", "GatewayView"]
