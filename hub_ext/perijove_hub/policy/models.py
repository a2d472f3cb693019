"""The models of the platform file: the whole policy of a platform, in one YAML document.

Unknown keys are refused everywhere. Secrets are never in the file: they are named, and read from the secrets
directory by the process that needs them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal, Self, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator, model_validator

from perijove.models import PLATFORM_CATALOGUE, Frame, HubName, ImageRef, Provider, Resources, Slug
from perijove_hub.policy.base import EVERYBODY, Duration, HttpAddress, PlatformModel
from perijove_hub.policy.catalogues import CatalogueSpec, Embargo, PageAddress
from perijove_hub.policy.gateways import OWN_SERVICES
from perijove_hub.policy.limits import Allocation, AppliesTo, Per, Quota
from perijove_hub.policy.sites import KubernetesSite, LocalSite, Site
from perijove_hub.policy.user_images import PATTERNS_MAX, ImagePattern, in_words, refusal

#: Environment variables a profile may not set: they carry identity, or would hijack a user's own buckets.
RESERVED_ENV_PREFIXES = ("JUPYTERHUB_", "PERIJOVE_", "AWS_", "LD_")


class Admission(PlatformModel):
    """How leases are offered and what happens when control cannot be reached."""

    on_unreachable: Literal["deny", "home_site"] = Field(
        default="deny",
        description="what a start does when control does not answer: none, or one session at the user's home site, "
        "which is put on record as soon as control is back",
    )
    offer_seconds: float = Field(
        default=60, gt=0, le=3600, description="how long an offer holds its quota before it expires"
    )
    inventory_seconds: float = Field(
        default=60, gt=0, le=3600, description="how often the hub tells control what each site runs"
    )
    clock_margin_seconds: float = Field(
        default=2, ge=0, le=600, description="how far the clocks of hub and control may differ"
    )
    sweep_seconds: float = Field(default=30, gt=0, le=3600, description="how often the controller reconciles")
    slice: Duration = Field(
        default=timedelta(hours=1), description="how long ahead use over time is reserved for what runs; at most 1h"
    )
    least_slice: Duration = Field(
        default=timedelta(minutes=5), description="a start for which a limit over time holds less than this is refused"
    )
    notice: Duration = Field(
        default=timedelta(minutes=10), description="how long before a session is stopped its owner is told"
    )
    allowed_grace: Duration = Field(
        default=timedelta(minutes=15),
        description="how long a session may go on whose owner has lost the group that it needs",
    )

    @property
    def offer_length(self) -> timedelta:
        """How long an offer holds."""
        return timedelta(seconds=self.offer_seconds)

    @field_validator("least_slice")
    @classmethod
    def _something(cls, length: timedelta) -> timedelta:
        if length < timedelta(seconds=1):
            raise ValueError("expected 1s or more: where nothing is needed, no limit over time would hold")
        return length

    @field_validator("slice")
    @classmethod
    def _an_hour_at_most(cls, length: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= length <= timedelta(hours=1):
            raise ValueError("expected from 1s to 1h")
        return length


class Profile(PlatformModel):
    """What a user picks on the spawn page."""

    title: str = Field(min_length=1, max_length=80)
    description: str = Field(default="", max_length=500)
    cpu: float = Field(gt=0, le=10_000)
    memory_gib: float = Field(gt=0, le=100_000)
    gpu: int = Field(default=0, ge=0, le=10_000)
    image: ImageRef | None = Field(default=None, description="the container image; local sites have none")
    user_images: list[ImagePattern] = Field(
        default_factory=list,
        max_length=PATTERNS_MAX,
        description="regular expressions, one of which must match all of the name of an image that a user gives; "
        "absent: users give none",
    )
    user_images_help: str | None = Field(
        default=None,
        min_length=1,
        max_length=300,
        description="what these images are, as it goes on after “you may name”; absent: the expressions",
    )
    requires: dict[Slug, str] = Field(default_factory=dict, description="labels that a site must have")
    max_hours: float | None = Field(default=None, gt=0, le=8784, description="when a session is stopped; absent: never")
    idle_minutes: float | None = Field(
        default=None, gt=0, le=527_040, description="when a session in which nothing runs is stopped; absent: never"
    )
    keeps: int = Field(default=2, ge=0, le=48, description="how often its user may put off the end by 30 minutes")
    groups: list[HubName] = Field(default_factory=lambda: [EVERYBODY], min_length=1, description="who may take it")
    env: dict[str, str] = Field(default_factory=dict, description="extra environment of the session")

    @field_validator("env")
    @classmethod
    def _no_reserved_names(cls, env: dict[str, str]) -> dict[str, str]:
        for name in env:
            if name.startswith(RESERVED_ENV_PREFIXES):
                raise ValueError(f"{name} is set by the platform; a profile may not set it")
        return env

    @model_validator(mode="after")
    def _help_is_of_something(self) -> Self:
        if self.user_images_help is not None and not self.user_images:
            raise ValueError("user_images_help: there are no `user_images` that it could be about")
        return self

    @property
    def resources(self) -> Resources:
        """What a session of this profile holds."""
        return Resources(cpu=self.cpu, memory_gib=self.memory_gib, gpu=self.gpu)

    @property
    def user_images_words(self) -> str:
        """Which images its users may name, as it goes on after *you may name*; empty: none."""
        return (self.user_images_help or in_words(self.user_images)) if self.user_images else ""

    def refusal_of(self, image: str) -> str | None:
        """Why its users may not have an image, in a sentence; None: they may."""
        return refusal(image, self.user_images, self.user_images_words, self.title)


class Weights(PlatformModel):
    """How much each scorer counts in placement. All zero means: by name."""

    data: float = Field(default=5, ge=0, description="bytes already there")
    load: float = Field(default=3, ge=0, description="free capacity")
    cost: float = Field(default=2, ge=0, description="the price of the workload and of moving its data")
    home: float = Field(default=2, ge=0, description="the home directory is there")
    latency: float = Field(default=1, ge=0, description="the way to the users")


class Spill(PlatformModel):
    """When a workload may run elsewhere because its best site is full or down."""

    allowed: bool = Field(default=True, description="false: it is refused instead")
    groups: list[HubName] = Field(default_factory=lambda: [EVERYBODY], description="whose workloads may")
    max_cost_factor: float | None = Field(
        default=None, ge=1, description="only where it costs at most this many times what it costs at the best site"
    )
    max_egress_cost: float | None = Field(
        default=None, ge=0, description="only where moving its data costs at most this, in `currency`"
    )


class PlacementPolicy(PlatformModel):
    """How sites are ranked and how many more are tried when the first fails."""

    weights: Weights = Field(default_factory=Weights)
    spill: Spill = Field(default_factory=Spill)
    retries: int = Field(default=2, ge=0, le=20, description="further candidates tried within one start")


class StsCredentials(PlatformModel):
    """Short-lived keys from the store's own token service, asked with a long-lived key that control holds."""

    kind: Literal["sts"]
    secret: Slug = Field(description="names a JSON file {access_key_id, secret_access_key} in the secrets directory")
    role: str | None = Field(default=None, description="the role to assume; absent where the store needs none")
    sts_endpoint: HttpAddress | None = Field(default=None, description="absent: the replica's endpoint")


class AnonymousCredentials(PlatformModel):
    """A public store."""

    kind: Literal["anonymous"]


class StaticCredentials(PlatformModel):
    """A long-lived key of a store without a token service: control signs addresses with it and never gives it out."""

    kind: Literal["keys"]
    secret: Slug = Field(description="names a JSON file {access_key_id, secret_access_key} in the secrets directory")


class ReplicaSpec(PlatformModel):
    """One copy of a dataset at an endpoint in a region."""

    site: Slug | None = Field(default=None, description="the site whose store this is")
    region: Slug | None = Field(default=None, description="absent: the site's region")
    url: str = Field(
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/([^/?#*$\s]+/)*)?$", description="s3://bucket/prefix/"
    )
    endpoint: HttpAddress | None = Field(
        default=None, description="http(s) address of the store; absent: the cloud's own"
    )
    credentials: StsCredentials | StaticCredentials | AnonymousCredentials = Field(discriminator="kind")
    literal_keys: bool | None = Field(
        default=None,
        description="the store takes `..` in a key as it stands, so that such objects can be read of `proxied` "
        "datasets; absent: only where it is the cloud's own",
    )

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if self.site is None and self.region is None:
            raise ValueError("a replica needs `site` or `region`")
        return self

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.url.removeprefix("s3://").split("/", 1)[0]

    @property
    def prefix(self) -> str:
        """The key prefix, empty or ending with a slash."""
        return self.url.removeprefix("s3://").partition("/")[2]

    @property
    def is_literal(self) -> bool:
        """Whether no key leads out of its prefix, whatever is in it."""
        return self.endpoint is None if self.literal_keys is None else self.literal_keys


class DatasetSpec(PlatformModel):
    """A named collection of objects, its licence, and where its copies are."""

    title: str = Field(min_length=1, max_length=200)
    description: str = Field(default="", max_length=5000)
    licence: str = Field(min_length=1, max_length=200)
    attribution: str | None = Field(default=None, max_length=2000)
    doi: str | None = Field(default=None, pattern=r"^10\.\d{4,9}/\S+$")
    keywords: list[str] = Field(default_factory=list, max_length=50)
    providers: list[Provider] = Field(default_factory=list, max_length=50)
    formats: list[str] = Field(default_factory=list, max_length=50)
    size_bytes: int | None = Field(default=None, ge=0, lt=2**63, description="of one copy; placement weighs moving it")
    extent: dict[str, Any] | None = Field(
        default=None,
        description="STAC extent object; with `frame: sky` its boxes are of right ascension and declination (ICRS)",
    )
    citation: str | None = Field(default=None, max_length=5000, description="BibTeX; absent: made of title and DOI")
    landing_url: PageAddress | None = Field(default=None, description="a page about it")
    embargo: Embargo | None = Field(default=None, description="closed until a moment to most of those who may see it")
    groups: list[HubName] = Field(default_factory=lambda: [EVERYBODY], min_length=1, description="who may read it")
    stays_in: list[Slug] | None = Field(
        default=None, min_length=1, description="the regions in which it may be worked with; absent: any"
    )
    delivery: Literal["direct", "proxied"] = "direct"
    replicas: list[ReplicaSpec] = Field(min_length=1, max_length=20)

    @field_validator("extent")
    @classmethod
    def _frame_is_known(cls, extent: dict[str, Any] | None) -> dict[str, Any] | None:
        if extent is not None and extent.get("frame", "earth") not in get_args(Frame):
            raise ValueError("frame: expected earth or sky")
        return extent

    @model_validator(mode="after")
    def _keeps_its_keys(self) -> Self:
        if self.delivery == "direct" and any(each.credentials.kind == "keys" for each in self.replicas):
            raise ValueError("credentials of kind `keys` never leave control: set `delivery: proxied`")
        return self


class Platform(PlatformModel):
    """The platform file."""

    currency: str = Field(default="EUR", min_length=1, max_length=12)
    time_zone: str = Field(default="UTC", description="for calendar windows, as Europe/Madrid")
    public_url: HttpAddress | None = Field(
        default=None, description="the address that users open; needed where a proxy before the hub speaks https"
    )
    admission: Admission = Field(default_factory=Admission)
    sites: dict[Slug, Site] = Field(min_length=1)
    profiles: dict[Slug, Profile] = Field(min_length=1)
    placement: PlacementPolicy = Field(default_factory=PlacementPolicy)
    quotas: list[Quota] = Field(default_factory=list)
    allocations: list[Allocation] = Field(default_factory=list)
    datasets: dict[Slug, DatasetSpec] = Field(default_factory=dict)
    catalogues: dict[Slug, CatalogueSpec] = Field(default_factory=dict, max_length=200)

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError(f"{name!r} is no time zone of the IANA database, such as Europe/Madrid")
        ZoneInfo(name)
        return name

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        faults = [
            *self._unknown_names(), *self._names_used_twice(), *self._shared_secrets(), *self._shared_services(),
            *self._overlapping_budgets(),
        ]  # fmt: skip
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _unknown_names(self) -> Iterator[str]:
        known = ", ".join(sorted(self.sites))
        for name, site in self.sites.items():
            for other in site.mounts_homes_of:
                if other not in self.sites or not self.sites[other].homes:
                    yield f"sites.{name}.mounts_homes_of: {other!r} is no site that holds homes"
            if isinstance(site, KubernetesSite) and site.hub_api_url is None and self.public_url is None:
                yield f"sites.{name}.hub_api_url: say where its sessions reach the hub, here or by public_url"
            if isinstance(site, KubernetesSite) and site.ingress is not None and self.public_url is None:
                yield f"sites.{name}.ingress: say public_url, too: the proxy asks an edge by the platform's name"
            if isinstance(site, KubernetesSite) and site.ingress is not None and site.kubeconfig is None:
                # its Ingresses have the platform's name too: they would join the platform's own, and go round the proxy
                yield f"sites.{name}.connect: pods of the hub's own cluster are reached by `pod`; an edge is for others"
        if PLATFORM_CATALOGUE in self.catalogues:
            yield f"catalogues.{PLATFORM_CATALOGUE}: this name stands for the datasets of this file; take another"
        for name, dataset in self.datasets.items():
            for index, replica in enumerate(dataset.replicas):
                if replica.site is not None and replica.site not in self.sites:
                    where = f"datasets.{name}.replicas.{index}.site"
                    yield f"{where}: {replica.site!r} is no site of this platform ({known})"
        for index, quota in enumerate(self.quotas):
            for place, site_name in enumerate(quota.applies_to.sites):
                if site_name != EVERYBODY and site_name not in self.sites:
                    where = f"quotas.{index}.applies_to.sites.{place}"
                    yield f"{where}: {site_name!r} is no site of this platform ({known})"

    def _names_used_twice(self) -> Iterator[str]:
        named = [(f"quotas.{index}.name", quota.name) for index, quota in enumerate(self.quotas)]
        for index, allocation in enumerate(self.allocations):
            named.append((f"allocations.{index}{'.name' if allocation.name else ''}", allocation.key))
        names: set[str] = set()
        for where, name in named:
            if name in names:
                yield f"{where}: the name {name!r} is used twice"
            names.add(name)

    def _shared_secrets(self) -> Iterator[str]:
        of: dict[str, str] = {}
        for name, site in self.sites.items():
            if site.dask is not None and of.setdefault(site.dask.secret, name) != name:
                yield (
                    f"sites.{name}.dask.secret: {site.dask.secret!r} is that of {of[site.dask.secret]} already; each "
                    "gateway needs its own, so that none can speak for another site"
                )

    def _shared_services(self) -> Iterator[str]:
        of = dict.fromkeys(OWN_SERVICES, "the platform itself")
        for name, site in self.sites.items():
            service = site.dask.service_of(name) if site.dask is not None else None
            if service is not None and of.setdefault(service, name) != name:
                yield (
                    f"sites.{name}.dask.service: {service!r} is that of {of[service]} already; a token that is for one "
                    "service must not open another"
                )

    def _overlapping_budgets(self) -> Iterator[str]:
        for index, one in enumerate(self.allocations):
            for other in self.allocations[:index]:
                same = (one.group, one.resource) == (other.group, other.resource)
                if same and one.start <= other.end and other.start <= one.end:
                    yield (
                        f"allocations.{index}.start: overlaps with {other.key}; one budget of {one.resource} for "
                        f"{one.group} at a time, so that it is clear which one pays"
                    )

    @cached_property
    def quotas_per(self) -> dict[str, list[Quota]]:
        """The quotas by whom they count together."""
        return {per: [quota for quota in self.quotas if quota.per == per] for per in get_args(Per)}

    @cached_property
    def quotas_naming(self) -> dict[str, dict[str, list[tuple[int, Quota]]]]:
        """The same by the groups or sites that they apply to, with their places; each start asks for all sites'."""
        found: dict[str, dict[str, list[tuple[int, Quota]]]] = {per: {} for per in self.quotas_per}
        for per, quotas in self.quotas_per.items():
            for place, quota in enumerate(quotas):
                for name in quota.applies_to.sites if per == "site" else quota.applies_to.groups:
                    found[per].setdefault(name, []).append((place, quota))
        return found

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone of calendar windows and of days."""
        return ZoneInfo(self.time_zone)

    @cached_property
    def version(self) -> str:
        """A short digest of the policy: leases remember which one admitted them."""
        return hashlib.blake2b(self.model_dump_json().encode(), digest_size=6).hexdigest()


__all__ = [
    "EVERYBODY", "Admission", "Allocation", "AnonymousCredentials", "AppliesTo", "CatalogueSpec", "DatasetSpec",
    "Embargo", "KubernetesSite", "LocalSite", "PlacementPolicy", "Platform", "PlatformModel", "Profile", "Quota",
    "ReplicaSpec", "Site", "Spill", "StaticCredentials", "StsCredentials", "Weights",
]  # fmt: skip
