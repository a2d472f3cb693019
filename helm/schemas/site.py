"""The values of the chart ``perijove-site``; its ``values.yaml`` explains each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from helm.schemas.base import Cidr, KubernetesObject, MaybeName, ObjectName, Port, Values
from perijove.models import Resources, Slug

#: A block of addresses that users' pods may reach: small enough that the chart can tell whether the metadata address is
#: in it.
OpenCidr = Annotated[
    str,
    StringConstraints(
        pattern=r"^([0-9]{1,3}\.){3}[0-9]{1,3}/([89]|[12][0-9]|3[0-2])$"
        r"|^[0-9A-Fa-f:.]+/(3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-8])$"
    ),
]

#: An extended resource of nodes, as ``nvidia.com/gpu``.
ExtendedResource = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")]


class Namespace(Values):
    """Where users' pods are."""

    name: ObjectName
    create: bool


class HubAccount(Values):
    """The account of a hub in the same cluster, or nothing."""

    name: MaybeName
    namespace: MaybeName


class Hub(Values):
    """Who may run sessions."""

    service_account: HubAccount


class Quota(Values):
    """The most that the namespace holds."""

    headroom_percent: int = Field(ge=0, le=100)
    pods: int = Field(ge=1)
    homes: int = Field(ge=0)
    homes_gib: int = Field(ge=0)


class Largest(Values):
    """The largest container; what is not said is the whole capacity."""

    cpu: float | None = Field(default=None, gt=0)
    memory_gib: float | None = Field(default=None, gt=0, alias="memory_gib")


class Limits(Values):
    """The most that one object holds."""

    largest: Largest
    home_gib: int = Field(ge=1)


class Opened(Values):
    """What is open although it is in a closed range."""

    cidr: OpenCidr
    ports: list[Port] = Field(min_length=1)


class Network(Values):
    """Who reaches users' pods, and what they reach."""

    enabled: bool
    session_port: Port
    edge_namespace: ObjectName
    ingress_from: list[KubernetesObject]
    dns_cidrs: list[Cidr]
    internet: bool
    closed_cidrs: list[Cidr]
    egress_to: list[Opened]


class SiteValues(Values):
    """The values of ``perijove-site``."""

    site: Slug
    capacity: Resources
    connect: Literal["pod", "ingress"]
    gateway_api: bool
    namespace: Namespace
    hub: Hub
    gpu_resource: ExtendedResource
    quota: Quota
    limits: Limits
    network: Network
    #: Helm puts it there.
    global_: KubernetesObject = Field(default_factory=dict, alias="global")
