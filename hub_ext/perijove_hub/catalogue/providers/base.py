"""The interface of providers, and what they share. All of it blocks and runs in threads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import urljoin, urlsplit

from perijove.models import TreeEntry
from perijove_hub.catalogue import texts
from perijove_hub.catalogue.guarded import GuardedSession
from perijove_hub.catalogue.models import BadCursorError, Branch, Found, Leaf, NoSuchPathError, NotReadableError
from perijove_hub.policy.catalogues import CatalogueSpec

#: More datasets of one catalogue are not listed.
DATASETS_MAX = 5000
#: The local name of the one dataset of a service that has no parts.
WHOLE = "all"


class Provider(ABC):
    """Speaks to one catalogue of others, over a session that is made for one operation.

    Its methods raise :class:`~perijove_hub.catalogue.models.CatalogueError` when the catalogue does not answer as it
    should, and may raise whatever a library raises that is fed with nonsense: the caller takes that for the same.
    """

    def __init__(self, spec: CatalogueSpec) -> None:
        self.spec = spec

    @abstractmethod
    def harvest(self, session: GuardedSession) -> list[Found]:
        """All its datasets."""

    @abstractmethod
    def branch(self, session: GuardedSession, found: Found, path: str, cursor: str, limit: int) -> Branch:
        """Some entries of a directory of a dataset; an empty ``cursor`` is the beginning."""

    def url(self, session: GuardedSession, found: Found, path: str) -> str:
        """The public address of a file of a dataset."""
        folder, _, _ = path.rpartition("/")
        cursor = ""
        for _ in range(20):
            branch = self.branch(session, found, folder, cursor, 1000)
            for leaf in branch.leaves:
                if leaf.entry.path == path and leaf.url:
                    return leaf.url
                if leaf.entry.path == path and leaf.why_not:
                    raise NotReadableError(leaf.why_not)
            if not branch.cursor:
                break
            cursor = branch.cursor
        raise no_such(path)

    def whole(self, formats: Iterable[str] = (), keywords: Sequence[str] = ()) -> Found:
        """The one dataset of a service that says nothing of itself."""
        spec = self.spec
        return Found(
            local=WHOLE,
            title=spec.title,
            description=spec.description,
            formats=texts.lines(list(formats)),
            keywords=texts.lines(list(keywords)),
        )

    def parts(self) -> list[Found]:
        """The directories that the platform file names as datasets, or the whole."""
        if self.spec.collections is None:
            return [self.whole()]
        return [
            self.whole().model_copy(
                update={"local": part.strip("/"), "title": f"{self.spec.title}: {part}", "where": {"folder": part}}
            )
            for part in self.spec.collections
        ]

    def takes(self, collection: object) -> bool:
        """Whether the platform file lets a collection of this name in."""
        return self.spec.collections is None or collection in self.spec.collections


def file_leaf(
    folder: str,
    name: str,
    url: str | None,
    size_bytes: int | None = None,
    modified: datetime | None = None,
    why_not: str | None = None,
) -> Leaf:
    """A file; ``name`` is a segment of a path already. Without a ``url`` it says ``why_not``."""
    path = f"{folder}/{name}" if folder else name
    entry = TreeEntry(name=name, path=path, type="file", size_bytes=size_bytes, modified=modified)
    return Leaf(entry, url, why_not)


def folder_leaf(folder: str, name: str, modified: datetime | None = None) -> Leaf:
    """A directory; ``name`` is a segment of a path already."""
    path = f"{folder}/{name}" if folder else name
    return Leaf(TreeEntry(name=name, path=path, type="directory", size_bytes=None, modified=modified))


def slice_of(leaves: Sequence[Leaf], cursor: str, limit: int) -> Branch:
    """A page of a list that is there as a whole; its cursor is where it goes on.

    Raises:
        BadCursorError: it is no number.
    """
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise BadCursorError("The cursor is not one that a tree has given.")
    start = int(cursor or 0)
    end = start + limit
    return Branch(list(leaves[start:end]), str(end) if end < len(leaves) else None)


def no_such(path: str) -> NoSuchPathError:
    """There is nothing at a path."""
    return NoSuchPathError(f"There is nothing at {path[:200]!r}.")


def joined(base: str, href: object) -> str | None:
    """An address that a document at ``base`` links, or None when it is not http(s)."""
    if not isinstance(href, str):
        return None
    try:
        return texts.address(urljoin(base, href.strip().replace(" ", "%20")))
    except ValueError:
        return None


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses are of one server."""
    return urlsplit(one)[:2] == urlsplit(other)[:2]
