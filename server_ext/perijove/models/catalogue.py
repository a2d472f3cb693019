"""Data: datasets, replicas, credentials, trees and previews."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field, StringConstraints

from .base import Asked, Page, Said, Slug

#: What is shown in the place of a catalogue for the datasets that the platform file itself names.
PLATFORM_CATALOGUE = "platform"

#: The kinds of catalogues of others that can be federated.
CatalogueKind = Literal["stac", "tap", "sia", "scs", "http", "s3", "cds"]

#: What the boxes of an extent are boxes of: longitude and latitude, or right ascension and declination in ICRS.
Frame = Literal["earth", "sky"]

#: What a search can be narrowed by.
FacetName = Literal["catalogue", "format", "provider", "licence", "keyword"]


class Replica(Said):
    """One copy of a dataset, ranked for the caller's site: 0 is the nearest.

    A ``linked`` dataset has one: its id is the catalogue's, its ``url`` the http(s) address of the catalogue.
    """

    id: str
    site: str | None
    region: str
    url: str = Field(description="s3://bucket/prefix/")
    endpoint: str | None = Field(description="the store's address; null for the cloud's default")
    rank: int
    egress_cost: float | None = Field(
        description="what moving all of it to the caller's site would cost; null: nobody knows, it may cost something"
    )


class Copy(Said):
    """A replica as the reader of this session has found it. Times and speeds are moving averages of what it measured.

    ``state``: ``used`` is the one that answered last, ``ready`` ones have answered of late, ``down`` ones have failed
    and are asked last for a minute; of ``unknown`` ones nothing is known, because nobody had to ask them.
    """

    id: str
    site: str | None
    region: str
    rank: int = Field(description="control's: 0 is the nearest")
    state: Literal["used", "ready", "down", "unknown"]
    latency_ms: float | None = Field(description="from question to answer; null: not measured of late")
    megabytes_second: float | None = Field(description="10^6 bytes, of one stream; null: not measured of late")
    egress_cost: float | None = Field(
        description="what moving all of the dataset to the caller's site would cost; null: nobody knows"
    )


class Provider(Said):
    """Who made, processed or hosts a dataset, as STAC's provider object."""

    name: str
    roles: list[str] = Field(default_factory=list)
    url: str | None = None


class Dataset(Said):
    """A named collection of objects, with the fields of a STAC Collection that people look for.

    One that a catalogue of others names has an id of the form ``CATALOGUE.LOCAL`` and is ``linked``: control lists its
    tree and names the public addresses of its files. Every text of it comes from outside.
    """

    id: str
    catalogue: str = Field(default=PLATFORM_CATALOGUE, description="the catalogue that names it")
    title: str
    description: str
    licence: str
    attribution: str | None = None
    doi: str | None = None
    keywords: list[str] = Field(default_factory=list)
    providers: list[Provider] = Field(default_factory=list)
    formats: list[str] = Field(default_factory=list)
    size_bytes: int | None = None
    extent: dict[str, Any] | None = Field(
        default=None,
        description="STAC extent: spatial bbox and temporal interval; `frame: sky`: the boxes are on the sky",
    )
    delivery: Literal["direct", "proxied", "linked"]
    replicas: list[Replica]
    citation: str | None = Field(default=None, description="BibTeX")
    landing_url: str | None = Field(default=None, description="http(s) page about the dataset")
    embargo_until: datetime | None = Field(default=None, description="closed until then to most; null: never was")
    readable: bool = Field(default=True, description="false: listed, but under embargo for the caller")


class CatalogueView(Said):
    """A catalogue of others and how it answers.

    ``state``: ``live`` when the last harvest went well, ``stale`` when newer ones failed, ``dead`` when it has failed
    for so long (or always) that nobody should wait for it, ``pending`` before the first. The last datasets known of a
    stale or dead one stay in the list.
    """

    id: str
    title: str
    kind: CatalogueKind
    state: Literal["live", "stale", "dead", "pending"]
    error: str | None = Field(default=None, description="what the last harvest ended with, when it failed")
    harvested: datetime | None = Field(default=None, description="the last harvest that went well")
    datasets: int = Field(description="how many of its datasets the caller may see")


class FacetValue(Said):
    """One value that a search can be narrowed to, and how many datasets of the search have it."""

    value: str
    title: str
    count: int


class DatasetPage(Page[Dataset]):
    """One page of a search. ``facets`` come with the first page only and hold the most frequent values first."""

    facets: dict[FacetName, list[FacetValue]] = Field(default_factory=dict)
    catalogues: list[CatalogueView] = Field(default_factory=list)


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

    @property
    def bucket_url(self) -> str:
        """Where the bucket is, by its path at the endpoint; without a slash at the end."""
        endpoint = self.endpoint or f"https://s3.{self.region}.amazonaws.com"
        return f"{endpoint.rstrip('/')}/{quote(self.bucket)}"


#: A key of a store has at most 1024 bytes, and a path may need three signs for one of them.
PATH_MAX_CHARS = 3 * 1024
ObjectPath = Annotated[str, StringConstraints(min_length=1, max_length=PATH_MAX_CHARS)]


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
    private_origin: str | None = Field(
        default=None,
        description="of linked datasets: the scheme, host and port that may be at a private address; null: none may",
    )


class PresignListRequest(Asked):
    """``POST datasets/{id}/presign-list``: one page of the keys of a ``proxied`` dataset that begin with
    ``path`` + ``/`` + ``begins``; an empty ``path`` is the dataset itself.

    ``cursor`` is the store's continuation token. ``delimiter`` ``/`` lists a directory, an empty one all below it.
    """

    path: str = Field(default="", max_length=PATH_MAX_CHARS)
    begins: str = Field(default="", max_length=1024)
    cursor: str | None = Field(default=None, min_length=1, max_length=4096)
    start_after: str | None = Field(
        default=None, max_length=PATH_MAX_CHARS, description="a path; keys up to its own are left out"
    )
    limit: int = Field(default=1000, ge=1, le=1000)
    delimiter: Literal["/", ""] = "/"
    replica: Slug | None = None


class PresignedList(Said):
    """A URL that sends one page of one listing (ListObjectsV2) until ``expires``, and does nothing else."""

    url: str = Field(repr=False)
    expires: datetime


class TreeEntry(Said):
    """A file or a directory of a dataset; ``path`` is below the dataset and a directory's ends without a slash."""

    name: str
    path: str
    type: Literal["file", "directory"]
    size_bytes: int | None
    modified: datetime | None


class EntryPage(Page[TreeEntry]):
    """One page of a directory; ``skipped`` names beside its items cannot be paths here, and are left out."""

    skipped: int = 0


class Preview(Said):
    """A look into one object without a download, and what the look has moved.

    ``kept``: it was made before, and nothing of the object has been moved for it.
    """

    kind: Literal["image", "table", "tree", "text"]
    format: str
    title: str
    content: dict[str, Any]
    bytes_read: int
    requests: int
    kept: bool = False
