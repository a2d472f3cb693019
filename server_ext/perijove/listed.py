"""What a store answers to ListObjectsV2, read with care: the answer is untrusted.

Source: "ListObjectsV2", Amazon S3 API reference.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element, ParseError, fromstring
from xml.parsers import expat

from .errors import InvalidPath
from .keys import path_of_key
from .models import PresignListRequest, TreeEntry
from .paths import check_path

_XMLNS = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_KEY, _LAST_MODIFIED, _SIZE, _ETAG = (f"{_XMLNS}{tag}" for tag in ("Key", "LastModified", "Size", "ETag"))


class _Begun(Exception):
    """The first element has come."""


class NoListing(Exception):
    """What a store has sent is none; the text says what it has done."""


class ListedObject(NamedTuple):
    """One object of a listing; ``path`` is below the dataset."""

    path: str
    size_bytes: int
    modified: datetime | None
    etag: str | None


@dataclass(frozen=True)
class Listed:
    """One page: objects and directories (paths without a slash at the end), and the store's token of the rest.

    ``skipped`` names of it are longer than any store allows. ``is_empty``: the store has named nothing, not even these,
    nor the key that some programs put down for a directory itself.
    """

    objects: list[ListedObject]
    directories: list[str]
    token: str | None
    skipped: int = 0
    is_empty: bool = False

    def entries(self) -> list[TreeEntry]:
        """The same as entries of a tree, sorted by name."""
        found: list[dict[str, Any]] = [
            *({"path": path, "type": "directory", "size_bytes": None, "modified": None} for path in self.directories),
            *(
                {"path": each.path, "type": "file", "size_bytes": each.size_bytes, "modified": each.modified}
                for each in self.objects
            ),
        ]
        entries = [TreeEntry.model_validate({"name": row["path"].rsplit("/", 1)[-1], **row}) for row in found]
        return sorted(entries, key=lambda entry: entry.name)


class Found(NamedTuple):
    """All that was listed, and how many names beside them are none that a store may have."""

    entries: list[TreeEntry]
    skipped: int


#: Asks for one page.
AskPage = Callable[[PresignListRequest], Awaitable[Listed]]


async def all_pages(page: AskPage, wish: PresignListRequest) -> Found:
    """What all pages have together, sorted by path; raises what ``page`` raises."""
    entries: list[TreeEntry] = []
    skipped = 0
    while True:
        listed = await page(wish)
        entries += listed.entries()
        skipped += listed.skipped
        if listed.token is None:
            return Found(sorted(entries, key=lambda entry: entry.path), skipped)
        wish = wish.model_copy(update={"cursor": listed.token})


async def any_page(page: AskPage, wish: PresignListRequest) -> bool:
    """Whether a page names anything, as the first does of all but strange stores; raises what ``page`` raises."""
    while True:
        listed = await page(wish)
        if not listed.is_empty or listed.token is None:
            return not listed.is_empty
        wish = wish.model_copy(update={"cursor": listed.token})


def parse_listing(body: bytes, root: str) -> Listed:
    """Read a page asked for with ``encoding-type=url``.

    Keys that no store may have, being too long, are left out and counted; those outside of ``root`` are not what was
    asked for.

    Args:
        body: what the store sent.
        root: the key prefix of the dataset, empty or ending with a slash.

    Raises:
        NoListing: it is none.
    """
    page = _parsed(body)
    if page is None or page.tag != f"{_XMLNS}ListBucketResult":
        raise NoListing("sent something else than a listing")
    names = _Names(root)
    directories = [names.directory(_text(node, "Prefix")) for node in page.iterfind(f"{_XMLNS}CommonPrefixes")]
    token = _text(page, "NextContinuationToken") if _text(page, "IsTruncated") == "true" else ""
    try:
        objects = [_object(node, names) for node in page.iterfind(f"{_XMLNS}Contents")]
    except ValueError:
        raise NoListing("sent a listing without sizes or dates") from None
    return Listed(
        [each for each in objects if each],
        [path for path in directories if path],
        token or None,
        names.skipped,
        is_empty=names.seen == 0,
    )


def _parsed(body: bytes) -> Element | None:
    """What a body holds; None: it is no XML, or declares a document type, with whose entities little can become much.

    The parser in C takes a fifth of the time of defusedxml's, which is in Python. What is looked at before is what
    comes before the first element: no document type can be declared after it.
    """

    def refuse(*_: object) -> None:
        raise ValueError("a document type")

    def begin(*_: object) -> None:
        raise _Begun

    guard = expat.ParserCreate()
    guard.StartDoctypeDeclHandler, guard.StartElementHandler = refuse, begin
    try:
        with suppress(_Begun):
            guard.Parse(body, True)
        return fromstring(body)  # noqa: S314 - what could be declared in it was refused
    except (expat.ExpatError, ParseError, LookupError, ValueError):
        return None


def _object(node: Element, names: _Names) -> ListedObject | None:
    said = {child.tag: child.text or "" for child in node}
    size_bytes = int(said.get(_SIZE) or 0)
    path = names.file(said.get(_KEY, ""), size_bytes)
    if path is None:
        return None
    return ListedObject(path, size_bytes, _date(said.get(_LAST_MODIFIED)), said.get(_ETAG) or None)


@lru_cache(maxsize=1024)  # many objects were written in the same second
def _date(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


class _Names:
    """Makes paths below ``root`` of the keys of one page, and counts them."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.seen = 0
        self.skipped = 0

    def directory(self, encoded_key: str) -> str | None:
        """The path of a directory; None: it has none."""
        key = self._below_root(encoded_key)
        return self._path(key.removesuffix("/")) if key else None

    def file(self, encoded_key: str, size_bytes: int) -> str | None:
        """The path of a file; None: it has none, or it stands for a directory: such a key is empty, ends so, and
        hides nothing from anybody.
        """
        key = self._below_root(encoded_key)
        if key is None or (size_bytes == 0 and (not key or key.endswith("/"))):
            return None
        return self._path(key)

    def _below_root(self, encoded_key: str) -> str | None:
        # stores write a space as `+`, and a plus as %2B; most keys have neither
        key = unquote_plus(encoded_key) if "%" in encoded_key or "+" in encoded_key else encoded_key
        if not key.startswith(self._root):
            return None
        self.seen += 1
        return key.removeprefix(self._root)

    def _path(self, key: str) -> str | None:
        try:
            return check_path(path_of_key(key))
        except InvalidPath:
            self.skipped += 1
            return None


def _text(node: Element, tag: str) -> str:
    return node.findtext(f"{_XMLNS}{tag}") or ""
