"""The sites of a platform, as the platform file says them: one model for each kind."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from perijove.models import HubName, ImageRef, Price, Resources, Slug
from perijove_hub.policy.base import EVERYBODY, HttpAddress, PlatformModel
from perijove_hub.policy.gateways import DaskGateway

#: A name of an object of Kubernetes: RFC 1123, section 2.1, as its API wants it.
KubernetesName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$")]
#: A key of a label of Kubernetes.
LabelKey = Annotated[
    str, StringConstraints(pattern=r"^(?:[a-z0-9][a-z0-9.-]{0,251}/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$")
]
LabelValue = Annotated[str, StringConstraints(pattern=r"^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$")]


class AnySite(PlatformModel):
    """What sites of every kind have."""

    title: str = Field(min_length=1, max_length=80)
    region: Slug = Field(description="where it is, in the words of the data stores' regions")
    capacity: Resources = Field(description="what all open leases together may hold")
    price: Price = Field(default_factory=Price)
    egress_price_gib: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=lambda: {"default": 0.0},
        description="price of moving one GiB out of this site's region, by target region, with `default`",
    )
    homes: bool = Field(default=True, description="this site can hold home directories")
    groups: list[HubName] = Field(
        default_factory=lambda: [EVERYBODY], min_length=1, description="who may use this site"
    )
    labels: dict[Slug, str] = Field(
        default_factory=dict, description="what a profile may require, as {provider: on-prem, gpu: a100}"
    )
    images: list[ImageRef] | None = Field(default=None, description="the images this site has; absent: any")
    latency_ms: float = Field(
        default=0, ge=0, le=10_000, description="the usual round trip between the platform's users and this site"
    )
    start_timeout_seconds: float = Field(
        default=60, gt=0, le=3600, description="how long a session may take to come up before another site is tried"
    )
    dask: DaskGateway | None = Field(default=None, description="this site's Dask Gateway, if it has one")

    @field_validator("egress_price_gib")
    @classmethod
    def _default_egress(cls, prices: dict[str, float]) -> dict[str, float]:
        return {"default": 0.0, **prices}


class LocalSite(AnySite):
    """A named pool of processes on the machine where the hub runs."""

    kind: Literal["local"]
    mounts_homes_of: list[Slug] = Field(
        default_factory=list, description="other sites whose home directories are mounted here too"
    )


class NamedSecret(PlatformModel):
    """A secret by its name."""

    secret: Slug = Field(description="names a file in the secrets directory")


class GatewayRef(PlatformModel):
    """A Gateway of Kubernetes' Gateway API, which passes requests on as the HTTPRoutes of sessions say."""

    name: KubernetesName
    namespace: KubernetesName | None = Field(
        default=None, description="of the Gateway; absent: that of the sessions. It has to let routes from there in"
    )
    listener: KubernetesName | None = Field(default=None, description="of the Gateway; absent: all that fit")


class IngressEdge(PlatformModel):
    """The edge of a cluster whose pods the hub cannot reach: an ingress controller, or a Gateway, with an address."""

    host: str = Field(
        pattern=r"^(?:[a-z0-9-]|\{site\})+(?:\.[a-z0-9-]+)*$",
        max_length=253,
        description="the name at which hub and proxy reach the edge; {site} stands for the name of the site",
    )
    port: int | None = Field(default=None, ge=1, le=65535, description="of the edge; absent: 443, or 80 without TLS")
    gateway: GatewayRef | None = Field(
        default=None,
        description="of the Gateway API: sessions get an HTTPRoute instead of an Ingress; "
        "class_name, tls_secret and path_type are an Ingress's",
    )
    class_name: KubernetesName | None = Field(default=None, description="of the ingress controller; absent: the usual")
    tls: bool = Field(default=True, description="whether the edge speaks https; users' cookies pass through it")
    tls_secret: KubernetesName | None = Field(
        default=None,
        description="the cluster's secret with the certificate, for the edge's name and the platform's; "
        "absent: the edge has one of its own",
    )
    path_type: Literal["Prefix", "ImplementationSpecific"] = Field(
        default="ImplementationSpecific",
        description="of each Ingress: ingress-nginx takes names with a dot or an @ by its own reading only",
    )
    annotations: dict[LabelKey, str] = Field(
        default_factory=dict, description="of each Ingress or HTTPRoute, for its controller"
    )
    timeout_seconds: float = Field(
        default=30, gt=0, le=600, description="how long a start waits for an edge that is away or not trusted"
    )

    @model_validator(mode="after")
    def _one_kind_of_edge(self) -> Self:
        of_ingress = [name for name in ("class_name", "tls_secret", "path_type") if name in self.model_fields_set]
        if self.gateway is not None and of_ingress:
            raise ValueError(
                f"{' and '.join(of_ingress)} cannot stand beside `gateway`: a Gateway has its own class, and its "
                "listeners have the certificates"
            )
        return self


class HomeStorage(PlatformModel):
    """The claim that is made for each home."""

    size_gib: float = Field(default=10, gt=0, le=1_000_000)
    class_name: KubernetesName | None = Field(default=None, description="of storage; absent: the cluster's usual one")
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"] = Field(
        default="ReadWriteOnce", description="ReadWriteMany where several sessions of a user use one home at a time"
    )
    path: str = Field(default="/home/jovyan", pattern=r"^/[!-~]*$", description="where the home is in the container")


class Toleration(PlatformModel):
    """A taint of nodes that sessions may run on; as Kubernetes has it."""

    key: LabelKey | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class KubernetesSite(AnySite):
    """A cluster of Kubernetes, in which the hub makes a pod for each session."""

    kind: Literal["kubernetes"]
    kubeconfig: NamedSecret | None = Field(default=None, description="of the cluster; absent: the hub's own")
    namespace: KubernetesName = Field(max_length=63, description="for the sessions; the hub has rights in it only")
    connect: Literal["pod", "ingress"] = Field(
        default="pod", description="how hub and proxy reach sessions: by their pods' addresses, or through an edge"
    )
    ingress: IngressEdge | None = None
    hub_api_url: HttpAddress | None = Field(
        default=None, description="the hub's API as sessions reach it; absent: below public_url"
    )
    image: ImageRef = Field(description="what sessions run whose profile names no image")
    image_pull_secrets: list[KubernetesName] = Field(default_factory=list)
    home_storage: HomeStorage = Field(default_factory=HomeStorage)
    user_id: int = Field(default=1000, ge=1, le=2**31 - 1, description="the account in the container; never root")
    group_id: int = Field(default=100, ge=1, le=2**31 - 1, description="of the account, and of the files of its home")
    node_selector: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    tolerations: list[Toleration] = Field(default_factory=list)
    start_timeout_seconds: float = Field(
        default=300, gt=0, le=3600, description="how long a session may take to come up before another site is tried"
    )

    @property
    def mounts_homes_of(self) -> list[str]:
        """Other sites whose homes are mounted here: claims are not mounted across clusters."""
        return []

    @model_validator(mode="after")
    def _edge_is_said(self) -> Self:
        if (self.connect == "ingress") != (self.ingress is not None):
            raise ValueError("`connect: ingress` and `ingress: {host: …}` go together: give both, or neither")
        return self


#: Every kind of site; the `kind` key decides.
Site = Annotated[LocalSite | KubernetesSite, Field(discriminator="kind")]
