"""Data: datasets, replicas, credentials, trees and previews."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from .base import Asked, Said, Slug


class Replica(Said):
    """One copy of a dataset, ranked for the caller's site: 0 is the nearest."""

    id: str
    site: str | None
    region: str
    url: str = Field(description="s3://bucket/prefix/")
    endpoint: str | None = Field(description="the store's address; null for the cloud's default")
    rank: int
    egress_cost: float = Field(description="what moving all of it to the caller's site would cost")


class Provider(Said):
    """Who made, processed or hosts a dataset, as STAC's provider object."""

    name: str
    roles: list[str] = Field(default_factory=list)
    url: str | None = None


class Dataset(Said):
    """A named collection of objects, with the fields of a STAC Collection that people look for."""

    id: str
    title: str
    description: str
    licence: str
    attribution: str | None = None
    doi: str | None = None
    keywords: list[str] = Field(default_factory=list)
    providers: list[Provider] = Field(default_factory=list)
    formats: list[str] = Field(default_factory=list)
    size_bytes: int | None = None
    extent: dict[str, Any] | None = Field(default=None, description="STAC extent: spatial bbox and temporal interval")
    delivery: Literal["direct", "proxied"]
    replicas: list[Replica]


class CredentialsRequest(Asked):
    """``POST datasets/{id}/credentials``. ``replica`` absent: the nearest."""

    replica: Slug | None = None


class Credentials(Said):
    """Short-lived, read-only access to one replica's prefix. With ``kind: anonymous`` there are no keys."""

    dataset: str
    replica: str
    kind: Literal["sts", "anonymous"]
    endpoint: str | None
    region: str
    bucket: str
    prefix: str
    access_key_id: str | None = None
    secret_access_key: str | None = Field(default=None, repr=False)
    session_token: str | None = Field(default=None, repr=False)
    expires: datetime | None = None


ObjectPath = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class PresignRequest(Asked):
    """``POST datasets/{id}/presign``: paths below the dataset, without a leading slash."""

    paths: list[ObjectPath] = Field(min_length=1, max_length=1000)
    replica: Slug | None = None


class PresignedPath(Said):
    """A URL that reads one object until ``expires`` of the answer, and nothing else."""

    path: str
    url: str = Field(repr=False)


class Presigned(Said):
    """The answer to a presign request, in the order of the paths asked for."""

    items: list[PresignedPath]
    expires: datetime


class TreeEntry(Said):
    """A file or a directory of a dataset; ``path`` is below the dataset and a directory's ends without a slash."""

    name: str
    path: str
    type: Literal["file", "directory"]
    size_bytes: int | None
    modified: datetime | None


class Preview(Said):
    """A look into one object without a download, and what the look has moved."""

    kind: Literal["image", "table", "tree", "text"]
    format: str
    title: str
    content: dict[str, Any]
    bytes_read: int
    requests: int
