"""The part of the platform file about catalogues of others, and embargoes."""

from __future__ import annotations

import hashlib
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from perijove.models import CatalogueKind, Frame, HubName, Moment
from perijove_hub.policy.base import EVERYBODY, PlatformModel


def _check_page(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("expected an http(s) address without user or fragment, such as https://archive.example/stac")
    return address


#: An http(s) address that may have a query, as those of many services have.
PageAddress = Annotated[str, StringConstraints(pattern=r"^[!-~]+$", max_length=2000), AfterValidator(_check_page)]


def _check_endpoint(address: str) -> str:
    # a bucket's name is one label or several of a host, or a part of a path
    parts = urlsplit(_check_page(address.replace("{bucket}", "bucket")))
    if parts.query or "{" in parts.geturl() or "}" in parts.geturl():
        raise ValueError(
            "expected an http(s) address without a query, in which {bucket} may stand for the bucket, such as "
            "https://{bucket}.s3.example or https://s3.example/{bucket}"
        )
    return address


#: Below what the keys of a bucket are found on the web; ``{bucket}`` in it stands for the bucket's name.
BucketAddress = Annotated[str, StringConstraints(pattern=r"^[!-~]+$", max_length=500), AfterValidator(_check_endpoint)]
#: A bucket's name, or ``*`` for all others.
BucketName = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]{1,254})$")]

#: A position on the sky and a radius, as a directory of a service of the Virtual Observatory has them for its name.
Position = Annotated[str, StringConstraints(pattern=r"^[+-]?\d{1,3}(\.\d+)?,[+-]?\d{1,2}(\.\d+)?,\d{1,3}(\.\d+)?$")]


class Embargo(PlatformModel):
    """Until when a dataset is closed to those who may see that it is there."""

    until: Moment = Field(description="when everybody who may see it may read it, with the time zone")
    groups: list[HubName] = Field(default_factory=list, description="who may read it before")


class CatalogueSpec(PlatformModel):
    """A catalogue of others whose datasets are listed with the platform's own."""

    kind: CatalogueKind = Field(
        description="stac: an API or a static catalogue; tap, sia, scs: services of the Virtual Observatory; http: an "
        "index page; s3: a public prefix; cds: a data store in the manner of the Copernicus Climate Data Store"
    )
    title: str = Field(min_length=1, max_length=80)
    url: PageAddress = Field(description="of s3: https://endpoint/bucket/prefix/")
    description: str = Field(default="", max_length=2000, description="for services that say nothing of themselves")
    licence: str = Field(
        default="not stated", min_length=1, max_length=200, description="where the catalogue is silent"
    )
    frame: Frame = Field(
        default="earth", description="what the boxes of its datasets are boxes of; sky: right ascension and declination"
    )
    groups: list[HubName] = Field(
        default_factory=lambda: [EVERYBODY], min_length=1, description="who may see and read it"
    )
    refresh_minutes: float = Field(default=60, ge=0.05, le=10_080, description="how often its datasets are asked for")
    collections: list[Annotated[str, StringConstraints(min_length=1, max_length=200)]] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="only these: collections of stac and cds, schemas of tap, directories of http and s3, each of "
        "which is a dataset then; absent: all",
    )
    positions: list[Position] = Field(
        default_factory=list,
        max_length=100,
        description="of sia and scs: examples shown in the tree, as ra,dec,radius in degrees",
    )
    s3_endpoints: dict[BucketName, BucketAddress] = Field(
        default_factory=dict,
        max_length=1000,
        description="of stac: where files at s3://bucket/key are read without keys, by bucket; *: all other buckets; "
        "{bucket} in an address stands for the bucket's name, and the key is appended",
    )
    allow_private: bool = Field(
        default=False, description="the host and port of `url`, and no other, may be at a private address"
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind in ("sia", "scs") and self.collections is not None:
            raise ValueError(f"collections: a service of kind {self.kind} has none")
        if self.kind not in ("sia", "scs") and self.positions:
            raise ValueError(f"positions: a catalogue of kind {self.kind} takes none")
        if self.kind != "stac" and self.s3_endpoints:
            raise ValueError(f"s3_endpoints: a catalogue of kind {self.kind} takes none")
        if "{bucket}" not in self.s3_endpoints.get("*", "{bucket}"):
            raise ValueError("s3_endpoints: the address for * must hold {bucket}: buckets would be mixed up without it")
        if self.kind not in ("sia", "scs") and urlsplit(self.url).query:
            raise ValueError(f"url: the address of a catalogue of kind {self.kind} has no query")
        if self.kind == "s3" and not urlsplit(self.url).path.strip("/"):
            raise ValueError("url: expected https://endpoint/bucket/prefix/")
        return self

    @property
    def fingerprint(self) -> str:
        """Changes with whatever makes an older harvest useless."""
        said = self.model_dump_json(include={"kind", "url", "collections", "allow_private"})
        return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()
