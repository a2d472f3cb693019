"""What is known of an opened object."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .counting import Counts
from .whole import Whole


@dataclass(slots=True)
class Opened:
    """What happens to an opened object.

    Attributes:
        replica: where it is read now, when not where it was opened.
        counts: what was moved.
        whole: all of it, when its server gives no parts.
    """

    replica: str | None = None
    counts: Counts = field(default_factory=Counts)
    whole: Whole | None = None


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object of one replica as it was when it was opened. ``etag`` and size guard all further reads of it."""

    path: str
    size_bytes: int
    etag: str | None
    modified: datetime | None
    replica: str
    opened: Opened = field(default_factory=Opened, compare=False, repr=False)

    @property
    def version(self) -> str | None:
        """The ETag if it is a strong one: the same bytes wherever it is the same. None: copies cannot be compared."""
        return self.etag if self.etag and not self.etag.startswith("W/") else None


@dataclass(frozen=True)
class Version:
    """A version of an object that was seen before: its strong ETag, its size, and when it was written."""

    etag: str
    size_bytes: int
    modified: datetime | None
