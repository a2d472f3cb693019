"""The values of the chart ``perijove``; its ``values.yaml`` explains each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from helm.schemas.base import DottedName, KubernetesObject, MaybeName, Port, SecretKey, Values
from perijove_hub.policy import Platform

#: Empty, or an http(s) address.
MaybeAddress = Annotated[str, StringConstraints(pattern=r"^(https?://[!-~]+)?$")]


class Image(Values):
    """The image of control and controller."""

    name: Annotated[str, StringConstraints(pattern=r"^[!-~]*$")]
    tag: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{0,128}(@sha256:[0-9a-f]{64})?$")]
    pull_policy: Literal["Always", "IfNotPresent", "Never"]
    pull_secrets: list[DottedName]


class Sqlite(Values):
    """The volume of a ledger in SQLite."""

    storage_class: MaybeName
    size_gib: int = Field(ge=1)


class Database(Values):
    """Where the ledger is."""

    existing_secret: MaybeName
    key: SecretKey
    port: Port
    sqlite: Sqlite


class Migrations(Values):
    """How tables come to the version of the image."""

    enabled: bool
    timeout_seconds: int = Field(ge=30, le=86_400)


class HubSecret(Values):
    """The secret between hub and control."""

    create: bool
    name: DottedName


class Process(Values):
    """How control or controller run."""

    resources: KubernetesObject
    node_selector: dict[str, str]
    tolerations: list[KubernetesObject]
    annotations: dict[str, str]


class Control(Process):
    """How control runs."""

    replicas: int = Field(ge=1, le=20)
    max_unavailable: int = Field(ge=1)


class Metrics(Values):
    """Where Prometheus asks; the port after it is the controller's where it shares a pod with control."""

    port: int = Field(ge=1024, le=65_534)


class NetworkPolicy(Values):
    """Who reaches control and controller, and what control reaches."""

    enabled: bool
    metrics_from: list[KubernetesObject]
    control_from: list[KubernetesObject]
    control_to: list[KubernetesObject]


class DaskGateway(Values):
    """The Dask Gateway of the hub's own cluster."""

    enabled: bool
    site: Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$")]


class PlatformValues(Values):
    """The values of ``perijove``. What other charts get is judged by their own schemas."""

    platform: Platform
    allow_local_sites: bool
    public_control_url: MaybeAddress
    image: Image
    database: Database
    migrations: Migrations
    hub_secret: HubSecret
    store_secrets: list[DottedName]
    control: Control
    controller: Process
    metrics: Metrics
    network_policy: NetworkPolicy
    dask_gateway: DaskGateway
    jupyterhub: KubernetesObject
    dask_gateway_chart: KubernetesObject = Field(default_factory=dict, alias="dask-gateway")
    #: Helm puts it there.
    global_: KubernetesObject = Field(default_factory=dict, alias="global")
