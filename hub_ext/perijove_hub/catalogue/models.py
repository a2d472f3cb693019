"""What is known of the datasets of other catalogues."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from perijove.models import Provider, TreeEntry


class Found(BaseModel):
    """A dataset as a catalogue of others describes it, cleaned and cut; kept as JSON in the snapshot.

    ``where`` is for the provider alone: what it needs to list the dataset's tree.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    local: str
    title: str
    description: str = ""
    licence: str = ""
    doi: str | None = None
    keywords: list[str] = Field(default_factory=list)
    providers: list[Provider] = Field(default_factory=list)
    formats: list[str] = Field(default_factory=list)
    size_bytes: int | None = None
    extent: dict[str, object] | None = None
    citation: str | None = None
    landing_url: str | None = None
    year: int | None = None
    where: dict[str, str] = Field(default_factory=dict)


class FoundList(BaseModel):
    """All that one harvest found."""

    items: list[Found]


@dataclass(frozen=True)
class Harvest:
    """The last harvests of a catalogue: what the last good one found, and how many have failed since."""

    fingerprint: str = ""
    serial: int = 0
    harvested: datetime | None = None
    failures: int = 0
    error: str | None = None
    found: tuple[Found, ...] = ()


@dataclass(frozen=True)
class Leaf:
    """A file of a tree with the public address at which it lies; a directory has none.

    ``why_not`` says in a sentence why a file has none.
    """

    entry: TreeEntry
    url: str | None = None
    why_not: str | None = None


@dataclass(frozen=True)
class Branch:
    """Some entries of a directory, and where the rest begins; None: there is no more."""

    leaves: list[Leaf]
    cursor: str | None = None


class CatalogueError(Exception):
    """A catalogue of others does not answer, or not as it should. The message is one sentence for users."""


class NoSuchPathError(CatalogueError):
    """There is no such directory or file in the tree."""


class NotReadableError(CatalogueError):
    """The file is there, and lies where nobody is sent from here."""


class BadCursorError(CatalogueError):
    """The cursor is not one that a tree of this catalogue has given."""
